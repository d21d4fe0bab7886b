//! The page as its readers meet it: in a real browser, with mouse, keys, printer and screen
//! reader. Pages, pictures and PDFs are left in `target/tmp/page`, to be looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod browser;
mod render_support;

use brief::render::{Format, render, render_many};
use browser::{Page, Scripts, needed, open};
use render_support::{german, reports};

const DESK: (u32, u32) = (1440, 900);
const PHONE: (u32, u32) = (390, 844);

fn chinese(name: &str) -> Option<Page> {
    open(name, &render(&reports::chinese(), Format::Html), DESK, Scripts::Enabled)
}

/// What is lit in the two columns, by the sentences' numbers.
fn lit(page: &Page) -> (Vec<String>, Vec<String>) {
    (page.ids(".segment.lit"), page.ids(".sentence.lit"))
}

fn ids(kind: &str, numbers: &[usize]) -> Vec<String> {
    numbers.iter().map(|number| format!("{kind}-{number}")).collect()
}

#[track_caller]
fn assert_lit(page: &Page, numbers: &[usize]) {
    assert_eq!(lit(page), (ids("english", numbers), ids("source", numbers)));
}

#[track_caller]
fn assert_current(page: &Page, number: usize) {
    assert_eq!(page.ids(".segment.now"), ids("english", &[number]));
    assert_eq!(page.ids(".sentence.now"), ids("source", &[number]));
}

fn said(page: &Page) -> String {
    page.texts("#said").concat()
}

#[test]
fn a_click_on_a_summary_sentence_lights_what_it_cites_and_nothing_else() {
    let Some(page) = chinese("click") else { return };
    assert_lit(&page, &[]);
    page.click("#claim-1 .claim-text");
    assert_lit(&page, &[2, 3]);
    assert_current(&page, 2);
    assert_eq!(page.ids(".claim.lit"), ["claim-1"]);
    assert_eq!(page.eval("document.activeElement.textContent"), page.texts(".claim-text")[0]);
    assert_eq!(page.ids("li:has(> p > [aria-current])"), ["claim-1"]);
    assert!(page.eval("document.querySelector('#claim-1 .evidence').open").as_bool().unwrap());

    // Its mark chooses a citation, and doesn't lead away.
    page.click("#claim-1 sup:nth-of-type(2) .mark");
    assert_current(&page, 3);
    assert_eq!(page.eval("location.hash"), "");

    page.click("#claim-4 .claim-text");
    assert_lit(&page, &[10, 11, 12, 13]);
    assert_current(&page, 12);
    let seen = "(() => { const r = document.querySelector('.sentence.now').getBoundingClientRect();
        return r.top >= 0 && r.bottom <= innerHeight; })()";
    assert_eq!(page.eval(seen), true, "what is cited is scrolled into view");
    assert!(!page.eval("document.querySelector('#claim-1 .evidence').open").as_bool().unwrap());
    assert_eq!(page.requests().len(), 1, "{:?}", page.requests());
}

#[test]
fn keys_go_through_citations_and_sentences() {
    let Some(page) = chinese("keys") else { return };
    page.press("ArrowDown");
    assert_lit(&page, &[]);
    page.press("j");
    assert_current(&page, 2);
    let bytes = place(2).split_off("s2, ".len());
    assert_eq!(said(&page), format!("Sentence 1, supported: citation 1 of 2, {bytes}"));
    for (key, current) in [("ArrowRight", 3), ("]", 2), ("[", 3), ("ArrowLeft", 2)] {
        page.press(key);
        assert_current(&page, current);
        assert_lit(&page, &[2, 3]);
    }
    for (key, lit) in [
        ("ArrowDown", &[6, 7][..]),
        ("j", &[4]),
        ("ArrowUp", &[6, 7]),
        ("k", &[2, 3]),
        ("k", &[2, 3]),
    ] {
        page.press(key);
        assert_lit(&page, lit);
    }
    page.press("Escape");
    assert_lit(&page, &[]);
    assert_eq!(page.ids("[aria-current]").len(), 0);
    assert_eq!(page.eval("document.querySelector('.bar').hidden"), true);

    // A summary sentence is a link: Enter does what a click does.
    page.eval("document.querySelector('#claim-3 .claim-text').focus()");
    page.press("Enter");
    assert_lit(&page, &[4]);
    page.press("Escape");

    // In the text the same keys go from sentence to sentence.
    page.eval("document.querySelector('.sentence[tabindex]').focus()");
    page.press("Enter");
    assert_lit(&page, &[1]);
    page.press("ArrowDown");
    assert_lit(&page, &[2]);
    assert_eq!(page.ids(".sentence[tabindex='0']"), ["source-2"]);

    page.press("?");
    assert_eq!(page.eval("document.querySelector('#keys').open"), true);
    page.click("[data-do=letters]");
    page.press("Escape");
    assert_eq!(page.eval("document.querySelector('#keys').open"), false);
    page.press("j");
    assert_lit(&page, &[2]);
}

#[test]
fn a_sentence_lights_its_other_half_and_says_who_cites_it() {
    let Some(page) = chinese("halves") else { return };
    page.click("#english-12");
    assert_lit(&page, &[12]);
    assert_eq!(said(&page), format!("{}: cited by summary sentence 4", place(12)));
    page.click(".bar-claims button");
    assert_lit(&page, &[10, 11, 12, 13]);
    page.click("#source-8");
    assert_lit(&page, &[8]);
    assert_eq!(said(&page), format!("{}: not cited by the summary", place(8)));
    page.click("[data-do=clear]");
    assert_lit(&page, &[]);
}

fn place(number: usize) -> String {
    let sentence = &reports::chinese().sentences[number - 1];
    format!("s{number}, bytes {}–{}", sentence.span.start, sentence.span.end)
}

#[test]
fn flags_and_dropped_parts_are_shown_on_demand() {
    let Some(page) = chinese("views") else { return };
    let shown = |what: &str| {
        page.eval(&format!(
            "[...document.querySelectorAll('details.{what} li')].filter(e => e.checkVisibility()).length"
        ))
    };
    for (what, key, parts) in [("flags", "f", 2), ("dropped", "d", 6)] {
        let pressed =
            || page.eval(&format!("document.querySelector('[data-do={what}]').ariaPressed"));
        assert_eq!((shown(what), pressed()), (0.into(), "false".into()));
        page.press(key);
        assert_eq!((shown(what), pressed()), (parts.into(), "true".into()));
        page.click(&format!("[data-do={what}]"));
        assert_eq!((shown(what), pressed()), (0.into(), "false".into()));
    }
    // What is flagged can be seen before.
    assert_eq!(page.ids(".segment.flagged"), ids("english", &[4, 8]));
    let background = || page.eval("getComputedStyle(document.body).backgroundColor");
    let light = background();
    page.click("[data-do=dark]");
    assert_ne!(background(), light);
    page.click("[data-do=dark]");
    assert_eq!(background(), light);
}

#[test]
fn several_articles_on_a_page_keep_apart() {
    let briefs = [reports::chinese(), german(), reports::bengali()];
    let html = render_many(&briefs, Format::Html);
    let Some(page) = open("several", &html, DESK, Scripts::Enabled) else { return };
    page.click("#a2-claim-1 .claim-text");
    assert_eq!(lit(&page).0, ["a2-english-1", "a2-english-2"]);
    assert_eq!(lit(&page).1, ["a2-source-1", "a2-source-2"]);
    page.press("k");
    assert_eq!(page.ids(".claim.lit"), ["a1-claim-4"]);
    page.picture("several", false);
}

#[test]
fn text_from_outside_can_not_act() {
    let nasty = "</script></style><img src=x onerror='window.hacked=1'>\
                 <script>window.hacked=1</script><a href='javascript:window.hacked=1'>x</a>\" onclick=\"window.hacked=1";
    let mut brief = german();
    brief.source.title = Some(nasty.into());
    brief.source.path = nasty.into();
    brief.blocks[2].reason = nasty.into();
    brief.translation.segments[0].target = nasty.into();
    let summary = brief.summary.as_mut().unwrap();
    summary.claims[0].text = nasty.into();
    summary.claims[0].citations[0].quote = nasty.into();
    summary.claims[1].support.reason = nasty.into();
    let html = render(&brief, Format::Html);
    let Some(page) = open("nasty", &html, DESK, Scripts::Enabled) else { return };
    page.click("#claim-1 .claim-text");
    page.press("ArrowRight");
    assert_eq!(page.texts(".claim-text")[0], nasty);
    assert_eq!(page.texts("#english-1")[0], nasty);
    assert_eq!(page.eval("document.querySelectorAll('img, main script, [onclick]').length"), 0);

    // Even markup that got in couldn't act, nor load anything.
    page.eval(
        "window.violations = [];
         addEventListener('securitypolicyviolation', (e) => violations.push(e.effectiveDirective));
         document.body.insertAdjacentHTML('beforeend', `<button id=in onclick='window.hacked=1'>x</button>
           <img src='https://example.com/x.png' onerror='window.hacked=1'>
           <a id=link href='javascript:window.hacked=1'>x</a><p style='color:red'>x</p>`);
         const script = document.createElement('script');
         script.textContent = 'window.hacked = 1';
         document.body.append(script);
         document.querySelector('#in').click(); document.querySelector('#link').click();
         new Promise((done) => setTimeout(done, 300))",
    );
    assert_eq!(page.eval("String(window.hacked)"), "undefined");
    let violations = page.eval("violations").to_string();
    for directive in ["script-src-attr", "script-src-elem", "img-src", "style-src-attr"] {
        assert!(violations.contains(directive), "{directive}: {violations}");
    }
}

#[test]
fn without_scripts_all_evidence_is_there_to_read() {
    let brief = reports::chinese();
    let html = render(&brief, Format::Html);
    let Some(page) = open("still", &html, DESK, Scripts::Disabled) else { return };
    assert_eq!(page.eval("document.documentElement.className"), "", "the script didn't run");
    assert_eq!(page.eval("document.querySelector('.tools').checkVisibility()"), false);
    let notes = page.eval("document.querySelector('.notes').innerText");
    let notes = notes.as_str().unwrap();
    for citation in brief.summary.iter().flat_map(|s| &s.claims).flat_map(|c| &c.citations) {
        let bytes = format!("bytes {}–{}", citation.span.start, citation.span.end);
        let segment =
            brief.translation.segments.iter().find(|s| s.sentences.contains(&citation.sentence));
        for part in [&citation.quote, &bytes, &segment.unwrap().target] {
            assert!(notes.contains(part.as_str()), "{part}");
        }
    }
    // What is closed opens by the browser's own means, and links light both halves.
    page.click("details.dropped summary");
    assert!(
        page.eval("document.querySelector('details.dropped li').checkVisibility()")
            .as_bool()
            .unwrap()
    );
    page.click("#claim-1 .claim-text");
    assert_eq!(page.eval("location.hash"), "#english-2");
    let colour = |id: &str| {
        page.eval(&format!("getComputedStyle(document.querySelector('{id}')).backgroundColor"))
    };
    assert_eq!(colour("#english-2"), colour("#source-2"));
    assert_ne!(colour("#english-2"), colour("#english-3"));
    page.picture("still", true);
}

#[test]
fn it_prints_with_all_evidence_and_without_controls() {
    let brief = reports::chinese();
    let Some(page) = chinese("print") else { return };
    page.click("#claim-1 .claim-text");
    page.media("print", "dark");
    for (selector, visible) in [
        (".tools", false),
        (".bar", false),
        ("dialog", false),
        (".notes li", true),
        (".flags li", true),
        (".dropped li", true),
    ] {
        let all =
            format!("[...document.querySelectorAll('{selector}')].map(e => e.checkVisibility())");
        let all: Vec<bool> = serde_json::from_value(page.eval(&all)).unwrap();
        assert!(!all.is_empty() && all.iter().all(|v| *v == visible), "{selector}: {all:?}");
    }
    assert_eq!(page.eval("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    let pdf = page.print("print");
    assert!(std::fs::read(&pdf).unwrap().starts_with(b"%PDF-"));

    let tool = needed("pdftotext (from poppler-utils)", {
        let there = std::process::Command::new("pdftotext").arg("-v").output().is_ok();
        there.then(|| "pdftotext".into())
    });
    let Some(tool) = tool else { return };
    let text = std::process::Command::new(tool).arg(&pdf).arg("-").output().unwrap().stdout;
    let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let text = bare(&String::from_utf8(text).unwrap());
    assert!(!text.contains("file://") && !text.contains("Flags"));
    for citation in brief.summary.iter().flat_map(|s| &s.claims).flat_map(|c| &c.citations) {
        let bytes = format!("bytes {}–{}", citation.span.start, citation.span.end);
        assert!(text.contains(&bare(&bytes)), "{bytes}");
        assert!(text.matches(&bare(&citation.quote)).count() >= 1, "{}", citation.quote);
    }
}

/// Pairs of text and what lies behind it, with a ratio below 4.5: WCAG's AA.
const FAINT: &str = "(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgb = (colour) => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (c) => {
        const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (e) => {
        for (; e; e = e.parentElement) {
            const colour = rgb(getComputedStyle(e).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const faint = [];
    let pairs = 0;
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('script')) continue;
        const [one, other] = [rgb(getComputedStyle(e).color), behind(e)].map((c) => luminance(c.slice(0, 3)));
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        pairs += 1;
        if (ratio < 4.5) faint.push(`${e.className || e.localName} ${ratio.toFixed(2)}: ${e.textContent.slice(0, 30)}`);
    }
    return pairs < 50 ? [`only ${pairs} texts`] : faint;
})()";

#[test]
fn all_text_stands_out_from_what_is_behind_it() {
    for (name, brief) in [("chinese", reports::chinese()), ("bengali", reports::bengali())] {
        let html = render(&brief, Format::Html);
        let Some(page) = open(name, &html, DESK, Scripts::Enabled) else { return };
        for scheme in ["light", "dark"] {
            page.media("screen", scheme);
            page.press("Escape");
            page.picture(&format!("{name}-{scheme}"), false);
            assert_eq!(page.eval(FAINT), serde_json::json!([]), "{scheme}");
            for key in ["f", "d", "j"] {
                page.press(key);
            }
            page.click("#claim-2 .claim-text");
            page.picture(&format!("{name}-{scheme}-lit"), false);
            assert_eq!(page.eval(FAINT), serde_json::json!([]), "{scheme}, lit");
            page.click("#english-3");
            assert_eq!(page.eval(FAINT), serde_json::json!([]), "{scheme}, pointed at");
            page.press("?");
            assert_eq!(page.eval(FAINT), serde_json::json!([]), "{scheme}, keys");
            page.picture(&format!("{name}-{scheme}-keys"), false);
            page.press("Escape");
            page.press("f");
            page.press("d");
        }
    }
}

#[test]
fn it_fits_a_phone() {
    for (name, brief) in [("chinese", reports::chinese()), ("bengali", reports::bengali())] {
        let html = render(&brief, Format::Html);
        let Some(page) = open(&format!("{name}-phone"), &html, PHONE, Scripts::Enabled) else {
            return;
        };
        page.picture(&format!("{name}-phone"), false);
        page.click("#claim-2 .claim-text");
        page.picture(&format!("{name}-phone-lit"), false);
        for (width, height) in [PHONE, (320, 600), (768, 1024), (1024, 700)] {
            page.size(width, height);
            let beyond = page.eval("document.documentElement.scrollWidth - innerWidth");
            assert!(beyond.as_i64().unwrap() <= 0, "{width}: {beyond} pixels too wide");
            page.picture(&format!("{name}-{width}"), false);
        }
    }
}

#[test]
fn a_screen_reader_is_told_what_is_seen() {
    let Some(page) = chinese("reader") else { return };
    page.click("#claim-3 .claim-text");
    let told = page.accessible();
    let claim = &page.texts(".claim-text")[2];
    let link = told.iter().find(|[role, name, _]| role == "link" && name == claim).unwrap();
    assert!(link[2].contains("unsupported") && link[2].contains("“14” is not in"), "{link:?}");
    for (role, name) in [
        ("main", ""),
        ("region", "Summary"),
        ("region", "Selection"),
        ("doc-endnotes", "What the summary cites"),
        ("doc-noteref", "Note 4"),
        ("button", "Flags"),
        ("button", "Clear the selection"),
        ("row", ""),
        ("status", ""),
    ] {
        assert!(told.iter().any(|[r, n, _]| r == role && n == name), "{role} {name:?}");
    }
    assert!(said(&page).starts_with("Sentence 3, unsupported: citation 1 of 1, bytes"));
    // Each original is in its own language, for voices and fonts.
    let fonts = page.eval("getComputedStyle(document.querySelector('.source')).fontFamily");
    assert!(fonts.as_str().unwrap().contains("CJK TC"));
}
