//! The folder job.
