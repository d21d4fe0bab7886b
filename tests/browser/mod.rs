//! A page in a real headless Chromium.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use headless_chrome::{
    Browser, LaunchOptions, Tab,
    browser::tab::point::Point,
    protocol::cdp::{
        Emulation, Network, Page as Cdp, Runtime,
        types::{Event, Method},
    },
};
use serde_json::{Value, json};

/// A page that was opened. Dropping it ends its browser.
pub struct Page {
    /// Where the page, its pictures and its PDF are left to be looked at.
    pub folder: PathBuf,
    tab: Arc<Tab>,
    requests: Arc<Mutex<Vec<String>>>,
    _browser: Browser,
}

/// Chromium, from `CHROME` or under one of its usual names.
///
/// Where there is none, the test skips loudly, and fails with `BRIEF_REAL_MODELS` (as on CI).
fn chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let usual = std::env::split_paths(&folders)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| path.is_file());
    let found = std::env::var_os("CHROME").map(PathBuf::from).or(usual);
    needed("Chromium (or CHROME, its path)", found)
}

/// Skips loudly without `tool`, and fails where everything must be there.
pub fn needed(tool: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    if found.is_none() {
        let must = std::env::var_os("BRIEF_REAL_MODELS").is_some();
        assert!(!must, "this test needs {tool}");
        eprintln!("SKIPPED: needs {tool}, which is not installed");
    }
    found
}

/// Opens `html` in a window of this size, as a file called `name`; [`None`] without a browser.
pub fn open(name: &str, html: &str, size: (u32, u32), scripts: Scripts) -> Option<Page> {
    let path = chromium()?;
    let options = LaunchOptions::default_builder()
        .path(Some(path))
        .sandbox(false)
        .window_size(Some(size))
        .idle_browser_timeout(Duration::from_secs(300))
        .args(vec!["--disable-component-update".as_ref(), "--disable-gpu".as_ref()])
        .build()
        .unwrap();
    let browser = Browser::new(options).unwrap();
    let tab = browser.new_tab().unwrap();
    tab.set_default_timeout(Duration::from_secs(60));

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.html"));
    std::fs::write(&file, html).unwrap();

    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    tab.add_event_listener(Arc::new(move |event: &Event| {
        if let Event::NetworkRequestWillBeSent(sent) = event {
            seen.lock().unwrap().push(sent.params.request.url.clone());
        }
    }))
    .unwrap();
    let page = Page { folder, tab, requests, _browser: browser };
    page.call::<Network::Enable>(json!({}));
    page.size(size.0, size.1);
    page.call::<Emulation::SetScriptExecutionDisabled>(
        json!({ "value": scripts == Scripts::Disabled }),
    );
    page.media("screen", "light");
    page.tab.navigate_to(&format!("file://{}", file.display())).unwrap();
    page.tab.wait_until_navigated().unwrap();
    Some(page)
}

/// Whether the page's scripts run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    Enabled,
    Disabled,
}

impl Page {
    fn call<M: Method + serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        parameters: Value,
    ) -> M::ReturnObject {
        self.tab.call_method(serde_json::from_value::<M>(parameters).unwrap()).unwrap()
    }

    pub fn size(&self, width: u32, height: u32) {
        self.call::<Emulation::SetDeviceMetricsOverride>(json!({
            "width": width, "height": height, "deviceScaleFactor": 1.0, "mobile": width < 600,
        }));
    }

    /// `screen` or `print`, `light` or `dark`; without motion, which would make clicks miss.
    pub fn media(&self, media: &str, scheme: &str) {
        self.call::<Emulation::SetEmulatedMedia>(json!({ "media": media, "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]}));
    }

    /// The value of an expression in the page.
    pub fn eval(&self, expression: &str) -> Value {
        let result = self.call::<Runtime::Evaluate>(json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        }));
        let exception = result.exception_details.map(|e| format!("{:?} {:?}", e.text, e.exception));
        assert_eq!(exception, None, "{expression}");
        result.result.value.unwrap_or(Value::Null)
    }

    /// The texts of the elements that match.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let all = format!("[...document.querySelectorAll({selector:?})].map(e => e.textContent)");
        serde_json::from_value(self.eval(&all)).unwrap()
    }

    pub fn ids(&self, selector: &str) -> Vec<String> {
        let all = format!("[...document.querySelectorAll({selector:?})].map(e => e.id)");
        serde_json::from_value(self.eval(&all)).unwrap()
    }

    /// Clicks with the mouse into the first line of the first element that matches.
    pub fn click(&self, selector: &str) {
        let place = self.eval(&format!(
            "(() => {{ const e = document.querySelector({selector:?});
               e.scrollIntoView({{ block: 'center' }});
               const r = e.getClientRects()[0];
               return [r.x + Math.min(r.width / 2, 40), r.y + r.height / 2]; }})()"
        ));
        let at = |index: usize| place.get(index).and_then(Value::as_f64).unwrap();
        self.tab.click_point(Point { x: at(0), y: at(1) }).unwrap();
    }

    pub fn press(&self, key: &str) {
        self.tab.press_key(key).unwrap();
    }

    /// Every address that was asked for.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Leaves a picture of what is seen, or of the whole page.
    pub fn picture(&self, name: &str, whole: bool) {
        let data = self
            .call::<Cdp::CaptureScreenshot>(
                json!({ "format": "png", "captureBeyondViewport": whole }),
            )
            .data;
        std::fs::write(self.folder.join(format!("{name}.png")), decoded(&data)).unwrap();
    }

    /// Prints, as from the browser's menu but with the backgrounds, and gives the PDF's path.
    pub fn print(&self, name: &str) -> PathBuf {
        self.media("", "dark");
        let data = self
            .call::<Cdp::PrintToPDF>(json!({ "preferCSSPageSize": true, "printBackground": false }))
            .data;
        let path = self.folder.join(format!("{name}.pdf"));
        std::fs::write(&path, decoded(&data)).unwrap();
        path
    }

    /// Role, name and description of everything that a screen reader is told.
    pub fn accessible(&self) -> Vec<[String; 3]> {
        let tree = self.tab.call_method(AccessibilityTree {}).unwrap();
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let word = |node: &Value, key| node[key]["value"].as_str().unwrap_or("").to_owned();
        nodes
            .filter(|node| node["ignored"] != true)
            .map(|node| ["role", "name", "description"].map(|key| word(node, key)))
            .collect()
    }
}

/// The protocol's own type doesn't know all properties that a newer Chromium has.
#[derive(Debug, serde::Serialize)]
struct AccessibilityTree {}

impl Method for AccessibilityTree {
    const NAME: &'static str = "Accessibility.getFullAXTree";
    type ReturnObject = Value;
}

fn decoded(data: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(data).unwrap()
}
