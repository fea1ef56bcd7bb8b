//! SQL as a tree, so that a failing statement can be made smaller.

/// A piece of SQL that may be replaced by another of its kind.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Pieces of the same kind fit where this one does.
    kind: String,
    /// What can always stand in its place.
    simplest: Option<String>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Child(Node),
    /// What may be left out.
    Optional(Node),
}

impl Node {
    pub(crate) fn new(kind: &str) -> Node {
        Node {
            kind: kind.to_owned(),
            simplest: None,
            parts: Vec::new(),
        }
    }

    /// A kind, and what can always stand in its place.
    pub(crate) fn with_simplest(kind: &str, simplest: &str) -> Node {
        let mut node = Node::new(kind);
        node.simplest = Some(simplest.to_owned());
        node
    }

    #[must_use]
    pub(crate) fn text(mut self, text: &str) -> Node {
        self.parts.push(Part::Text(text.to_owned()));
        self
    }

    #[must_use]
    pub(crate) fn child(mut self, child: Node) -> Node {
        self.parts.push(Part::Child(child));
        self
    }

    #[must_use]
    pub(crate) fn optional(mut self, child: Node) -> Node {
        self.parts.push(Part::Optional(child));
        self
    }

    pub(crate) fn sql(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Child(node) | Part::Optional(node) => node.write(out),
            }
        }
    }

    /// Smaller trees, the smallest first.
    pub(crate) fn smaller(&self) -> Vec<Node> {
        let mut found = Vec::new();
        self.variants(&mut |node| found.push(node));
        let length = self.sql().len();
        found.retain(|node| node.sql().len() < length);
        found.sort_by_key(|node| node.sql().len());
        found
    }

    /// Calls with each tree in which one piece is replaced or left out.
    fn variants(&self, emit: &mut dyn FnMut(Node)) {
        if let Some(simplest) = &self.simplest {
            emit(Node::with_simplest(&self.kind, simplest).text(simplest));
        }
        self.descendants(&self.kind, emit);
        for (at, part) in self.parts.iter().enumerate() {
            let (Part::Child(child) | Part::Optional(child)) = part else {
                continue;
            };
            if matches!(part, Part::Optional(_)) {
                let mut without = self.clone();
                without.parts.remove(at);
                emit(without);
            }
            child.variants(&mut |smaller| {
                let mut with = self.clone();
                match &mut with.parts[at] {
                    Part::Child(child) | Part::Optional(child) => *child = smaller,
                    Part::Text(_) => (),
                }
                emit(with);
            });
        }
    }

    fn descendants(&self, kind: &str, emit: &mut dyn FnMut(Node)) {
        for part in &self.parts {
            let (Part::Child(child) | Part::Optional(child)) = part else {
                continue;
            };
            if child.kind == kind {
                emit(child.clone());
            }
            child.descendants(kind, emit);
        }
    }
}
