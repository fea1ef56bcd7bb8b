//! Errors as SQL knows them: a five-letter code that programs act on, and words for people.
//!
//! The words are PostgreSQL's, letter for letter, because clients and test suites compare them.

use std::fmt;

/// The result of anything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// A five-letter SQLSTATE code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl SqlState {
            $($(#[$doc])* pub const $name: SqlState = SqlState(*$code);)*
        }
    };
}

states! {
    /// `successful_completion`: of notices.
    SUCCESSFUL_COMPLETION = b"00000";
    /// `warning`.
    WARNING = b"01000";
    /// `protocol_violation`: bytes of a message that do not fit together.
    PROTOCOL_VIOLATION = b"08P01";
    /// `feature_not_supported`.
    FEATURE_NOT_SUPPORTED = b"0A000";
    /// `string_data_right_truncation`: too long for `varchar(n)` or `char(n)`.
    STRING_DATA_RIGHT_TRUNCATION = b"22001";
    /// `numeric_value_out_of_range`.
    NUMERIC_VALUE_OUT_OF_RANGE = b"22003";
    /// `null_value_not_allowed`.
    NULL_VALUE_NOT_ALLOWED = b"22004";
    /// `invalid_datetime_format`.
    INVALID_DATETIME_FORMAT = b"22007";
    /// `datetime_field_overflow`.
    DATETIME_FIELD_OVERFLOW = b"22008";
    /// `invalid_time_zone_displacement_value`.
    INVALID_TIME_ZONE_DISPLACEMENT = b"22009";
    /// `substring_error`.
    SUBSTRING_ERROR = b"22011";
    /// `division_by_zero`.
    DIVISION_BY_ZERO = b"22012";
    /// `interval_field_overflow`.
    INTERVAL_FIELD_OVERFLOW = b"22015";
    /// `invalid_preceding_or_following_size`: of a window's frame.
    INVALID_PRECEDING_OR_FOLLOWING_SIZE = b"22013";
    /// `invalid_argument_for_ntile_function`.
    INVALID_ARGUMENT_FOR_NTILE = b"22014";
    /// `invalid_argument_for_nth_value_function`.
    INVALID_ARGUMENT_FOR_NTH_VALUE = b"22016";
    /// `invalid_argument_for_sql_json_datetime_function`.
    INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME = b"22031";
    /// `invalid_sql_json_subscript`.
    INVALID_SQL_JSON_SUBSCRIPT = b"22033";
    /// `non_numeric_sql_json_item`.
    NON_NUMERIC_SQL_JSON_ITEM = b"22036";
    /// `singleton_sql_json_item_required`.
    SINGLETON_SQL_JSON_ITEM_REQUIRED = b"22038";
    /// `sql_json_array_not_found`.
    SQL_JSON_ARRAY_NOT_FOUND = b"22039";
    /// `sql_json_member_not_found`.
    SQL_JSON_MEMBER_NOT_FOUND = b"2203A";
    /// `sql_json_number_not_found`.
    SQL_JSON_NUMBER_NOT_FOUND = b"2203B";
    /// `sql_json_object_not_found`.
    SQL_JSON_OBJECT_NOT_FOUND = b"2203C";
    /// `invalid_escape_character`.
    INVALID_ESCAPE_CHARACTER = b"22019";
    /// `invalid_use_of_escape_character`.
    INVALID_USE_OF_ESCAPE_CHARACTER = b"2200C";
    /// `invalid_regular_expression`.
    INVALID_REGULAR_EXPRESSION = b"2201B";
    /// `invalid_argument_for_width_bucket_function`.
    INVALID_ARGUMENT_FOR_WIDTH_BUCKET = b"2201G";
    /// `invalid_argument_for_logarithm`.
    INVALID_ARGUMENT_FOR_LOGARITHM = b"2201E";
    /// `invalid_argument_for_power_function`.
    INVALID_ARGUMENT_FOR_POWER = b"2201F";
    /// `character_not_in_repertoire`: bytes that are no UTF-8, or a zero byte.
    CHARACTER_NOT_IN_REPERTOIRE = b"22021";
    /// `invalid_escape_sequence`.
    INVALID_ESCAPE_SEQUENCE = b"22025";
    /// `invalid_parameter_value`.
    INVALID_PARAMETER_VALUE = b"22023";
    /// `array_element_error`.
    ARRAY_ELEMENT_ERROR = b"2202E";
    /// `array_subscript_error`.
    ARRAY_SUBSCRIPT_ERROR = b"2202E";
    /// `invalid_text_representation`.
    INVALID_TEXT_REPRESENTATION = b"22P02";
    /// `invalid_binary_representation`.
    INVALID_BINARY_REPRESENTATION = b"22P03";
    /// `untranslatable_character`.
    UNTRANSLATABLE_CHARACTER = b"22P05";
    /// `data_exception`.
    DATA_EXCEPTION = b"22000";
    /// `not_null_violation`.
    NOT_NULL_VIOLATION = b"23502";
    /// `check_violation`.
    CHECK_VIOLATION = b"23514";
    /// `with_check_option_violation`.
    WITH_CHECK_OPTION_VIOLATION = b"44000";
    /// `cannot_coerce`.
    CANNOT_COERCE = b"42846";
    /// `datatype_mismatch`.
    DATATYPE_MISMATCH = b"42804";
    /// `indeterminate_datatype`.
    INDETERMINATE_DATATYPE = b"42P18";
    /// `undefined_function`: also operators.
    UNDEFINED_FUNCTION = b"42883";
    /// `ambiguous_function`: also operators.
    AMBIGUOUS_FUNCTION = b"42725";
    /// `undefined_object`: also types.
    UNDEFINED_OBJECT = b"42704";
    /// `name_too_long`.
    NAME_TOO_LONG = b"42622";
    /// `syntax_error`.
    SYNTAX_ERROR = b"42601";
    /// `invalid_transaction_state`.
    INVALID_TRANSACTION_STATE = b"25000";
    /// `unsafe_new_enum_value_usage`.
    UNSAFE_NEW_ENUM_VALUE_USAGE = b"55P04";
    /// `duplicate_file`.
    DUPLICATE_FILE = b"58P02";
    /// `undefined_file`.
    UNDEFINED_FILE = b"58P01";
    /// `bad_copy_file_format`: a line that is not of COPY's format.
    BAD_COPY_FILE_FORMAT = b"22P04";
    /// `program_limit_exceeded`.
    PROGRAM_LIMIT_EXCEEDED = b"54000";
    /// `statement_too_complex`: nested too deeply.
    STATEMENT_TOO_COMPLEX = b"54001";
    /// `cardinality_violation`: more than one row from a scalar subquery.
    CARDINALITY_VIOLATION = b"21000";
    /// `invalid_row_count_in_limit_clause`.
    INVALID_LIMIT = b"2201W";
    /// `invalid_row_count_in_result_offset_clause`.
    INVALID_OFFSET = b"2201X";
    /// `integrity_constraint_violation`.
    INTEGRITY_CONSTRAINT_VIOLATION = b"23000";
    /// `restrict_violation`.
    RESTRICT_VIOLATION = b"23001";
    /// `foreign_key_violation`.
    FOREIGN_KEY_VIOLATION = b"23503";
    /// `unique_violation`.
    UNIQUE_VIOLATION = b"23505";
    /// `active_sql_transaction`.
    ACTIVE_TRANSACTION = b"25001";
    /// `read_only_sql_transaction`.
    READ_ONLY_TRANSACTION = b"25006";
    /// `no_active_sql_transaction`.
    NO_ACTIVE_TRANSACTION = b"25P01";
    /// `idle_in_transaction_session_timeout`.
    IDLE_IN_TRANSACTION_SESSION_TIMEOUT = b"25P03";
    /// `admin_shutdown`: the database was closed.
    ADMIN_SHUTDOWN = b"57P01";
    /// `idle_session_timeout`.
    IDLE_SESSION_TIMEOUT = b"57P05";
    /// `in_failed_sql_transaction`.
    FAILED_TRANSACTION = b"25P02";
    /// `invalid_sql_statement_name`.
    INVALID_STATEMENT_NAME = b"26000";
    /// `dependent_objects_still_exist`.
    DEPENDENT_OBJECTS = b"2BP01";
    /// `invalid_cursor_name`.
    INVALID_CURSOR_NAME = b"34000";
    /// `invalid_name`.
    INVALID_NAME = b"42602";
    /// `invalid_savepoint_specification`.
    INVALID_SAVEPOINT = b"3B001";
    /// `invalid_catalog_name`: no such database.
    INVALID_CATALOG_NAME = b"3D000";
    /// `invalid_schema_name`.
    INVALID_SCHEMA_NAME = b"3F000";
    /// `serialization_failure`.
    SERIALIZATION_FAILURE = b"40001";
    /// `deadlock_detected`.
    DEADLOCK_DETECTED = b"40P01";
    /// `undefined_column`.
    UNDEFINED_COLUMN = b"42703";
    /// `undefined_table`.
    UNDEFINED_TABLE = b"42P01";
    /// `undefined_parameter`.
    UNDEFINED_PARAMETER = b"42P02";
    /// `duplicate_column`.
    DUPLICATE_COLUMN = b"42701";
    /// `duplicate_cursor`.
    DUPLICATE_CURSOR = b"42P03";
    /// `duplicate_database`.
    DUPLICATE_DATABASE = b"42P04";
    /// `duplicate_prepared_statement`.
    DUPLICATE_PREPARED_STATEMENT = b"42P05";
    /// `duplicate_schema`.
    DUPLICATE_SCHEMA = b"42P06";
    /// `duplicate_table`.
    DUPLICATE_TABLE = b"42P07";
    /// `duplicate_alias`.
    DUPLICATE_ALIAS = b"42712";
    /// `duplicate_object`.
    DUPLICATE_OBJECT = b"42710";
    /// `ambiguous_column`.
    AMBIGUOUS_COLUMN = b"42702";
    /// `ambiguous_alias`.
    AMBIGUOUS_ALIAS = b"42P09";
    /// `invalid_column_reference`.
    INVALID_COLUMN_REFERENCE = b"42P10";
    /// `invalid_column_definition`.
    INVALID_COLUMN_DEFINITION = b"42611";
    /// `invalid_table_definition`.
    INVALID_TABLE_DEFINITION = b"42P16";
    /// `invalid_object_definition`.
    INVALID_OBJECT_DEFINITION = b"42P17";
    /// `invalid_foreign_key`.
    INVALID_FOREIGN_KEY = b"42830";
    /// `invalid_recursion`.
    INVALID_RECURSION = b"42P19";
    /// `grouping_error`.
    GROUPING_ERROR = b"42803";
    /// `windowing_error`.
    WINDOWING_ERROR = b"42P20";
    /// `wrong_object_type`.
    WRONG_OBJECT_TYPE = b"42809";
    /// `generated_always`.
    GENERATED_ALWAYS = b"428C9";
    /// `reserved_name`.
    RESERVED_NAME = b"42939";
    /// `insufficient_privilege`.
    INSUFFICIENT_PRIVILEGE = b"42501";
    /// `disk_full`.
    DISK_FULL = b"53100";
    /// `out_of_memory`.
    OUT_OF_MEMORY = b"53200";
    /// `too_many_columns`.
    TOO_MANY_COLUMNS = b"54011";
    /// `too_many_arguments`.
    TOO_MANY_ARGUMENTS = b"54023";
    /// `object_not_in_prerequisite_state`.
    OBJECT_NOT_IN_PREREQUISITE_STATE = b"55000";
    /// `object_in_use`.
    OBJECT_IN_USE = b"55006";
    /// `lock_not_available`.
    LOCK_NOT_AVAILABLE = b"55P03";
    /// `cant_change_runtime_param`.
    CANT_CHANGE_RUNTIME_PARAM = b"55P02";
    /// `query_canceled`: by the user, or by a timeout.
    QUERY_CANCELED = b"57014";
    /// `io_error`.
    IO_ERROR = b"58030";
    /// `sequence_generator_limit_exceeded`.
    SEQUENCE_GENERATOR_LIMIT_EXCEEDED = b"2200H";
    /// `data_corrupted`: stored bytes that no encoder wrote.
    DATA_CORRUPTED = b"XX001";
    /// `internal_error`: a caller mixed up values and types.
    INTERNAL_ERROR = b"XX000";
}

impl SqlState {
    /// The state with this code, or `None` unless it is five upper-case letters and digits.
    pub fn from_code(code: &str) -> Option<SqlState> {
        let bytes: [u8; 5] = code.as_bytes().try_into().ok()?;
        let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        bytes.iter().all(plain).then_some(SqlState(bytes))
    }

    /// The five letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("codes are ASCII, by their constructors")
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What went wrong with a value or a type.
///
/// One word wide, so that results of small values stay small.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    state: SqlState,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Error {
    /// An error without detail and hint.
    pub fn new(state: SqlState, message: impl Into<String>) -> Error {
        Error(Box::new(Parts {
            state,
            message: message.into(),
            detail: None,
            hint: None,
        }))
    }

    /// The same error with a detail: a full sentence.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Error {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same error with a hint: a full sentence that says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// The code that programs act on.
    pub fn state(&self) -> SqlState {
        self.0.state
    }

    /// What happened, in PostgreSQL's words.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// More about it.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// `invalid input syntax for type integer: "x"`.
    pub(crate) fn invalid_input(type_name: &str, text: &str) -> Error {
        Error::new(
            SqlState::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        )
    }

    /// `integer out of range`.
    pub(crate) fn out_of_range(type_name: &str) -> Error {
        Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("{type_name} out of range"),
        )
    }

    /// `value "99999" is out of range for type smallint`.
    pub(crate) fn value_out_of_range(type_name: &str, text: &str) -> Error {
        Error::new(
            SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
            format!("value \"{text}\" is out of range for type {type_name}"),
        )
    }

    /// `division by zero`.
    pub(crate) fn division_by_zero() -> Error {
        Error::new(SqlState::DIVISION_BY_ZERO, "division by zero")
    }

    /// Stored bytes that no encoder wrote.
    pub(crate) fn corrupted(what: &str) -> Error {
        Error::new(
            SqlState::DATA_CORRUPTED,
            format!("stored bytes are damaged: {what}"),
        )
    }

    /// A value that is not of the type its caller named.
    pub(crate) fn mismatch(what: impl fmt::Display) -> Error {
        Error::new(
            SqlState::INTERNAL_ERROR,
            format!("value does not fit its type: {what}"),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}: {}", self.0.state, self.0.message)?;
        for (name, words) in [("detail", &self.0.detail), ("hint", &self.0.hint)] {
            if let Some(words) = words {
                write!(out, "; {name}: {words}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_five_letters() {
        assert_eq!(
            SqlState::from_code("22003"),
            Some(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
        );
        assert_eq!(SqlState::from_code("2200"), None);
        assert_eq!(SqlState::from_code("22p02"), None);
        assert_eq!(SqlState::DATA_CORRUPTED.as_str(), "XX001");
    }

    #[test]
    fn error_is_one_word() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
