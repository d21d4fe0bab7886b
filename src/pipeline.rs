//! One article, from source to brief.
