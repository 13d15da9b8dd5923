//! Reading and building JSON without the indexing that panics.

use serde_json::Value;

/// A JSON object, field by field.
pub(crate) trait Fields {
    /// The field of that name; `Null` when there is none, or when this is no object.
    fn field(&self, name: &str) -> &Value;

    /// Sets a field; what is no object becomes one.
    fn set(&mut self, name: &str, value: impl Into<Value>);
}

impl Fields for Value {
    fn field(&self, name: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        self.get(name).unwrap_or(NULL)
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        if !self.is_object() {
            *self = Value::Object(serde_json::Map::new());
        }
        if let Some(object) = self.as_object_mut() {
            object.insert(name.to_owned(), value.into());
        }
    }
}
