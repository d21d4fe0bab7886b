//! stub
use headless_chrome as _;
#[test]
fn stub() {}
