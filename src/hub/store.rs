//! The local store of models.
