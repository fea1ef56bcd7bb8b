//! EXPLAIN within a session.

use std::sync::Arc;

use rustdb_types::{Type, Value};
use sqlparser::ast::{AnalyzeFormatKind, Statement, UtilityOption};

use super::planned::{Body, Shape};
use super::{Answer, Prepared, Session};
use crate::bind::OutputColumn;
use crate::error::{Error, Result};
use crate::exec::{Executable, Measures};
use crate::explain::{Request, Times, printed, query, write};
use crate::expr::ColumnId;

impl Session {
    /// `EXPLAIN [ANALYZE] statement`.
    pub(super) fn explain(
        &mut self,
        statement: &Statement,
        (analyze, verbose): (bool, bool),
        format: Option<&AnalyzeFormatKind>,
        options: &[UtilityOption],
        parameters: &[Value],
        types: &[Type],
    ) -> Result<Answer> {
        let request = Request::new(analyze, verbose, format, options)?;
        let (prepared, parameters) = match statement {
            Statement::Execute {
                name, parameters, ..
            } => self.named_call(name.as_ref(), parameters)?,
            _ => {
                let prepared = Prepared::new(statement.clone(), types.to_vec());
                (Arc::new(prepared), parameters.to_vec())
            }
        };
        if !prepared.is_planned() {
            return Err(Error::unsupported("EXPLAIN of this statement"));
        }
        let host = self.database.shared.host.clone();
        let begin = host.clock();
        let planned = self.planned(&prepared)?;
        let mut times = Times {
            planning: host.clock() - begin,
            execution: 0,
        };
        let mut measures = Measures::default();
        if request.analyze {
            let body = match &planned.shape {
                Shape::Query(plan, columns) => {
                    Body::Query(Executable::measured(plan, columns, &mut measures)?)
                }
                Shape::Write(write) => {
                    let (node, executable) = Executable::measured_write(write, &mut measures)?;
                    Body::Write(Box::new(node), executable)
                }
            };
            let begin = host.clock();
            self.run_through(&planned, &body, &parameters)?;
            times.execution = host.clock() - begin;
        }
        let figures = self.figures(&planned.catalog);
        let entry = match &planned.shape {
            Shape::Query(plan, _) => query(plan, &figures, &self.settings, &measures),
            Shape::Write(of) => write(of, &figures, &self.settings, &measures),
        };
        let lines = printed(&entry, &request, times);
        let column = OutputColumn {
            name: "QUERY PLAN".to_owned(),
            id: ColumnId(0),
            of: Type::TEXT,
        };
        Ok(Answer {
            columns: Some(Arc::from([column])),
            rows: lines.iter().map(|line| vec![Value::text(line)]).collect(),
            tag: "EXPLAIN".into(),
            notices: Vec::new(),
        })
    }
}
