//! The output formats, on briefs made by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod render_support;

use brief::render::{Brief, Format, json, render, render_many};
use proptest::prelude::*;
use render_support::{german, gist_bengali, nasty_chinese};
use serde_json::{Value, json};

fn samples() -> [Brief; 3] {
    [german(), nasty_chinese(), gist_bengali()]
}

/// The page without its style and script, which would drown the rest.
fn body(page: &str) -> String {
    let from = page.find("<body>").unwrap();
    let to = page.find("<script>\"use strict\"").unwrap();
    page[from..to].to_owned()
}

#[test]
fn renders_as_recorded() {
    for (name, brief) in ["german", "nasty_chinese", "gist_bengali"].iter().zip(samples()) {
        insta::assert_snapshot!(format!("{name}.json"), render(&brief, Format::Json));
        insta::assert_snapshot!(format!("{name}.md"), render(&brief, Format::Markdown));
        insta::assert_snapshot!(format!("{name}.html"), body(&render(&brief, Format::Html)));
    }
    insta::assert_snapshot!("several.md", render_many(&samples(), Format::Markdown));
    insta::assert_snapshot!("several.html", body(&render_many(&samples(), Format::Html)));
}

// JSON

fn schema() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(include_str!("schema/brief-1.schema.json")).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn json_comes_back_as_it_went_out() {
    for brief in samples() {
        let json = render(&brief, Format::Json);
        assert!(json.ends_with("}\n"));
        assert!(json::is_brief(json.as_bytes()));
        let back = json::parse(&json).unwrap();
        assert_eq!(back, brief);
        assert_eq!(render(&back, Format::Json), json);
    }
    assert!(!json::is_brief("Eine Meldung über \"schema\"".as_bytes()));
}

#[test]
fn several_are_json_lines_and_come_back() {
    let lines = render_many(&samples(), Format::Json);
    assert_eq!(lines.lines().count(), 3);
    assert_eq!(json::parse_all("x.jsonl", &lines).unwrap(), samples());
    let error = json::parse(&lines).unwrap_err().to_string();
    assert_eq!(error, "brief/1 JSON: holds 3 documents, not one");
}

#[test]
fn json_follows_its_schema() {
    let schema = schema();
    for brief in samples() {
        let document: Value = serde_json::from_str(&render(&brief, Format::Json)).unwrap();
        let errors: Vec<String> = schema.iter_errors(&document).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

#[test]
fn schema_allows_further_keys_and_needs_the_agreed_ones() {
    let schema = schema();
    let document: Value = serde_json::from_str(&render(&german(), Format::Json)).unwrap();
    let mut more = document.clone();
    more["note"] = json!("mine");
    more["source"]["note"] = json!(1);
    assert!(schema.is_valid(&more));
    json::parse(&more.to_string()).unwrap();

    let agreed = [
        "/schema",
        "/source/path",
        "/source/sha256",
        "/source/bytes",
        "/source/encoding",
        "/source/language",
        "/blocks/0/kind",
        "/blocks/0/span/start",
        "/blocks/0/span/end",
        "/blocks/0/kept",
        "/blocks/0/reason",
        "/sentences/0/id",
        "/sentences/0/span",
        "/sentences/0/text",
        "/translation/model",
        "/translation/segments/0/sentences",
        "/translation/segments/0/target",
        "/translation/segments/0/flags",
        "/summary/model",
        "/summary/claims/0/text",
        "/summary/claims/0/citations/0/sentence",
        "/summary/claims/0/citations/0/span",
        "/summary/claims/0/citations/0/quote",
        "/summary/claims/0/support/verdict",
        "/summary/claims/0/origin",
    ];
    for pointer in agreed {
        assert!(document.pointer(pointer).is_some(), "{pointer} is written");
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let mut spoilt = document.clone();
        spoilt.pointer_mut(parent).unwrap().as_object_mut().unwrap().shift_remove(key);
        assert!(!schema.is_valid(&spoilt), "the schema needs {pointer}");
        assert!(json::parse(&spoilt.to_string()).is_err(), "the reader needs {pointer}");
    }
}

/// Each spoils the German brief's JSON in one place. The last column says whether a schema can
/// see it, and what the reader says.
fn spoilt() -> Vec<(&'static str, Value, bool, &'static str)> {
    vec![
        (
            "/schema",
            json!("brief/2"),
            true,
            "has schema \"brief/2\"; this version of brief reads \"brief/1\"",
        ),
        ("/schema", json!("other"), true, "is JSON, but has no \"schema\": \"brief/1\""),
        ("/source/bytes", json!(-1), true, "doesn't follow brief/1: "),
        ("/source/bytes", json!(7), false, "of a file of 7 bytes"),
        ("/source/sha256", json!("12"), true, "source.sha256"),
        ("/source/language", json!("ru"), true, "source.language \"ru\""),
        ("/blocks/1/span/start", json!(3), false, "blocks that don't tile the file: block 1 is 3–"),
        ("/blocks/1/span/end", json!(0), false, "blocks that don't tile the file: block 1 is"),
        ("/blocks/0/kind", json!("poem"), true, "doesn't follow brief/1: "),
        ("/blocks/0/kept", json!(false), false, "in no kept block"),
        ("/sentences/0/span", json!({"start": 9, "end": 1}), false, "outside the file"),
        ("/sentences/5/span/end", json!(100_000), false, "outside the file"),
        ("/sentences/1/span/start", json!(2), false, "before the end of the one before it"),
        ("/sentences/1/id", json!("s1"), false, "two sentences \"s1\""),
        ("/translation/segments/0/sentences", json!([]), true, "segment 0 without a sentence"),
        (
            "/translation/segments/0/sentences/0",
            json!("s99"),
            false,
            "\"s99\", which doesn't exist",
        ),
        (
            "/translation/segments/0/sentences/0",
            json!("s2"),
            false,
            "sentence \"s2\" in two segments",
        ),
        ("/translation/segments", json!([]), false, "sentence \"s1\" in no segment"),
        (
            "/translation/segments/0/flags",
            json!([{"kind": "ugly", "detail": ""}]),
            true,
            "doesn't follow brief/1: ",
        ),
        ("/summary/claims/0/citations", json!([]), true, "claim 0 without a citation"),
        (
            "/summary/claims/0/citations/0/sentence",
            json!("s99"),
            false,
            "claim 0 cite sentence \"s99\"",
        ),
        (
            "/summary/claims/0/citations/0/span/end",
            json!(1),
            false,
            "another place or text than its own",
        ),
        (
            "/summary/claims/0/citations/0/quote",
            json!("anderes"),
            false,
            "another place or text than its own",
        ),
        ("/summary/claims/0/support/verdict", json!("maybe"), true, "doesn't follow brief/1: "),
    ]
}

#[test]
fn spoilt_json_is_refused_with_its_reason() {
    let schema = schema();
    let document: Value = serde_json::from_str(&render(&german(), Format::Json)).unwrap();
    for (pointer, value, seen_by_schema, reason) in spoilt() {
        let mut spoilt = document.clone();
        *spoilt.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(schema.is_valid(&spoilt), !seen_by_schema, "{pointer} = {value}");
        let error = json::parse_all("a.json", &spoilt.to_string()).unwrap_err();
        assert!(error.to_string().starts_with("a.json: "), "{error}");
        assert!(error.to_string().contains(reason), "{pointer} = {value}: {error}");
        assert!(error.hint().is_some());
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for (text, reason) in [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("{", "is not JSON: "),
        ("Berlin.", "is not JSON: "),
        ("[]", "is JSON, but has no \"schema\""),
        ("{} trailing", "is JSON, but has no \"schema\""),
    ] {
        let error = json::parse_all("-", text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text:?}: {error}");
    }
    let deep = "[".repeat(100_000);
    assert!(json::parse(&deep).is_err());
    let cut = render(&german(), Format::Json);
    assert!(json::parse(&cut[..cut.len() / 2]).is_err());
}

// What the text can't do

/// The German brief with `text` in every place that text can come from.
fn filled_with(text: &str) -> Brief {
    let mut brief = german();
    let t = || text.to_owned();
    brief.source.path = t();
    brief.source.title = Some(t());
    brief.source.date = Some(t());
    brief.source.encoding = t();
    brief.source.language = t();
    brief.generator = t();
    brief.translation.model = t();
    brief.translation.quality = t();
    brief.translation.warnings = vec![t()];
    for block in &mut brief.blocks {
        block.reason = t();
        block.language = Some(t());
    }
    for sentence in &mut brief.sentences {
        sentence.text = t();
    }
    for segment in &mut brief.translation.segments {
        segment.target = t();
        for flag in &mut segment.flags {
            flag.detail = t();
        }
    }
    let summary = brief.summary.as_mut().unwrap();
    summary.model = t();
    for claim in &mut summary.claims {
        claim.text = t();
        claim.support.reason = t();
        for sign in &mut claim.support.signs {
            sign.detail = Some(t());
        }
        for citation in &mut claim.citations {
            citation.quote = t();
        }
    }
    brief
}

/// Elements with their attributes' names, and the values of those attributes that the page acts on.
fn html_structure(page: &str) -> Vec<String> {
    let mut structure = Vec::new();
    for Ok(token) in html5gum::Tokenizer::new(page) {
        match token {
            html5gum::Token::StartTag(tag) => {
                let mut line = String::from_utf8(tag.name.to_vec()).unwrap();
                // Backticks in a warning make code, there and nowhere else.
                if line == "code" && tag.attributes.is_empty() {
                    continue;
                }
                for (name, value) in &tag.attributes {
                    let name = String::from_utf8(name.to_vec()).unwrap();
                    let value = match name.as_str() {
                        // What may follow the text: titles for pointing at, and languages.
                        "title" | "lang" => String::new(),
                        _ => String::from_utf8_lossy(value).into_owned(),
                    };
                    line.push_str(&format!(" {name}={value}"));
                }
                structure.push(line);
            }
            html5gum::Token::EndTag(tag) if &tag.name[..] == b"code" => {}
            html5gum::Token::EndTag(tag) => {
                structure.push(format!("/{}", String::from_utf8_lossy(&tag.name)));
            }
            html5gum::Token::Comment(_) => structure.push("comment".into()),
            html5gum::Token::Error(error) => structure.push(format!("error {:?}", error.value)),
            html5gum::Token::String(_) | html5gum::Token::Doctype(_) => {}
        }
    }
    structure
}

/// Every extension that a reader may have switched on.
fn markdown_options() -> comrak::Options<'static> {
    let mut options = comrak::Options::default();
    let on = &mut options.extension;
    on.strikethrough = true;
    on.table = true;
    on.autolink = true;
    on.tasklist = true;
    on.superscript = true;
    on.subscript = true;
    on.underline = true;
    on.spoiler = true;
    on.footnotes = true;
    on.description_lists = true;
    on.multiline_block_quotes = true;
    on.alerts = true;
    on.math_dollars = true;
    on.math_code = true;
    on.wikilinks_title_after_pipe = true;
    options
}

/// The nodes without the text in them. Code is text here: addresses become code.
fn markdown_structure(text: &str) -> Vec<String> {
    let arena = comrak::Arena::new();
    let root = comrak::parse_document(&arena, text, &markdown_options());
    let mut structure = Vec::new();
    for node in root.descendants() {
        use comrak::nodes::NodeValue::{
            Code, FootnoteDefinition, FootnoteReference, Heading, Link, SoftBreak, Text,
        };
        structure.push(match &node.data.borrow().value {
            Text(_) | Code(_) | SoftBreak => continue,
            FootnoteReference(reference) => format!("[^{}]", reference.name),
            FootnoteDefinition(definition) => format!("[^{}]:", definition.name),
            Heading(heading) => format!("heading {}", heading.level),
            Link(link) => format!("link {}", link.url),
            other => format!("{:?}", std::mem::discriminant(other)),
        });
    }
    structure
}

/// The text that a reader of the Markdown sees, a line for each block.
fn markdown_text(text: &str) -> String {
    let arena = comrak::Arena::new();
    let root = comrak::parse_document(&arena, text, &markdown_options());
    let mut seen = String::new();
    for node in root.descendants() {
        use comrak::nodes::NodeValue::{Code, Text};
        match &node.data.borrow().value {
            Text(text) => seen.push_str(text),
            Code(code) => seen.push_str(&code.literal),
            value if value.block() => seen.push('\n'),
            _ => {}
        }
    }
    seen
}

/// Pieces that mean something to Markdown, HTML or a model, and some that don't.
fn nasty_text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "<script>",
        "</script>",
        "</style>",
        "</title>",
        "<!--",
        "-->",
        "<b>",
        "<a href=x>",
        "&lt;",
        "&#60;",
        "&",
        ";",
        "\"",
        "'",
        "=",
        "{{",
        "}}",
        "{%",
        "<|im_end|>",
        "<",
        ">",
        "[^1]",
        "[^1]:",
        "[",
        "]",
        "(",
        ")",
        "![",
        "](x)",
        "[x]",
        "*",
        "**",
        "_",
        "__",
        "`",
        "```",
        "~",
        "~~",
        "|",
        "||",
        "|-|",
        "#",
        "# ",
        "-",
        "- ",
        "---",
        "+ ",
        "1. ",
        "1) ",
        "9",
        ".",
        "> ",
        "\\",
        "\\\\",
        "$",
        "$$",
        "^",
        "^[",
        "==",
        "===",
        ":",
        ": ",
        "!",
        "http://",
        "https://a.b",
        "www.",
        "www.a.b",
        "@",
        "a@b.cd",
        "mailto:",
        "xmpp:",
        "a@b.c/d",
        " ",
        "  ",
        "    ",
        "\t",
        "\n",
        "\n\n",
        "\r\n",
        "\u{0}",
        "\u{1b}",
        "\u{202e}",
        "\u{2028}",
        "\u{feff}",
        "a",
        "word",
        "ü",
        "é",
        "天",
        "。",
        "বৃ",
        "।",
        "x",
        "%",
        "[!NOTE]",
        "[ ] ",
        "javascript:",
        "/",
        "://",
        "ftp://x.y",
    ];
    prop_oneof![
        proptest::collection::vec(proptest::sample::select(PIECES), 1..12)
            .prop_map(|pieces| pieces.concat()),
        any::<String>(),
    ]
    .prop_filter("no text, no element", |text| !text.trim().is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_changes_the_page(text in nasty_text()) {
        let plain = html_structure(&render(&filled_with("plain"), Format::Html));
        prop_assert_eq!(html_structure(&render(&filled_with(&text), Format::Html)), plain);
    }

    #[test]
    fn no_text_changes_the_markdown(text in nasty_text()) {
        let plain = markdown_structure(&render(&filled_with("plain"), Format::Markdown));
        let markdown = render(&filled_with(&text), Format::Markdown);
        prop_assert_eq!(markdown_structure(&markdown), plain, "{}", markdown);
    }

    #[test]
    fn markdown_shows_the_text_as_it_is(text in "[ -~äß天।]{1,40}") {
        let words: Vec<&str> = text.split_whitespace().collect();
        prop_assume!(!words.is_empty());
        let seen = markdown_text(&render(&filled_with(&text), Format::Markdown));
        prop_assert!(seen.contains(&format!("“{}”", words.join(" "))), "{}", seen);
    }

    #[test]
    fn any_brief_comes_back_from_json(text in any::<String>()) {
        let mut brief = german();
        brief.generator = text.clone();
        brief.translation.segments[0].target = text.clone();
        brief.translation.warnings = vec![text];
        let line = render_many(&[brief.clone(), brief.clone()], Format::Json);
        prop_assert_eq!(line.lines().count(), 2);
        prop_assert_eq!(json::parse(&render(&brief, Format::Json)).unwrap(), brief);
    }
}

// The page

#[test]
fn the_page_loads_nothing_and_runs_only_its_own_script() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = render(&nasty_chinese(), Format::Html);
    let hash = |content: &str| {
        let digest = sha2::Sha256::digest(content.as_bytes());
        format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(digest))
    };
    let between = |start: &str, end: &str| {
        let from = page.find(start).unwrap() + start.len();
        &page[from..from + page[from..].find(end).unwrap()]
    };
    // The template escapes `/` and `+` in attributes.
    let mut policy = String::new();
    for Ok(token) in html5gum::Tokenizer::new(page.as_str()) {
        if let html5gum::Token::StartTag(tag) = token
            && tag.attributes.contains_key(&b"http-equiv"[..])
        {
            policy = String::from_utf8(tag.attributes[&b"content"[..]].to_vec()).unwrap();
        }
    }
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
            hash(between("<style>", "</style>")),
            hash(between("<script>", "</script>")),
        )
    );
    let style = between("<style>", "</style>");
    assert!(!style.contains("url(") && !style.contains("@import"));
    for tag in html_structure(&page) {
        assert!(
            !tag.contains(" src=") && !tag.contains(" style=") && !tag.contains(" on"),
            "{tag}"
        );
        if let Some((_, target)) = tag.split_once(" href=") {
            assert!(target.starts_with('#'), "{tag}");
        }
    }
}

#[test]
fn every_link_in_the_page_has_its_target_and_ids_are_unique() {
    for page in samples()
        .iter()
        .map(|b| render(b, Format::Html))
        .chain([render_many(&samples(), Format::Html)])
    {
        let mut ids = std::collections::HashSet::new();
        let mut targets = Vec::new();
        for Ok(token) in html5gum::Tokenizer::new(page.as_str()) {
            let html5gum::Token::StartTag(tag) = token else { continue };
            for (name, value) in &tag.attributes {
                let value = String::from_utf8(value.to_vec()).unwrap();
                match name.as_slice() {
                    b"id" => assert!(ids.insert(value.clone()), "two {value}"),
                    b"href" => targets.push(value.trim_start_matches('#').to_owned()),
                    b"aria-labelledby" => targets.push(value),
                    _ => {}
                }
            }
        }
        for target in targets {
            assert!(ids.contains(&target), "no {target}");
        }
    }
}

#[test]
fn source_text_is_marked_with_its_language() {
    for (brief, tag) in samples().into_iter().zip(["de", "zh-Hant", "bn"]) {
        assert!(
            body(&render(&brief, Format::Html))
                .contains(&format!(r#"<p class="source" lang="{tag}">"#))
        );
    }
    let mut simplified = nasty_chinese();
    simplified.source.language = "zh-Hans".into();
    // A block of another language says so itself.
    simplified.blocks[2].language = Some("de".into());
    let page = body(&render(&simplified, Format::Html));
    assert!(page.contains(r#"<p class="source" lang="zh-Hans">"#) && !page.contains("zh-Hant"));
    assert!(page.contains(r#"<p class="source" lang="de">"#));
}

#[test]
fn a_gist_translation_says_so_in_every_format() {
    let mut brief = gist_bengali();
    for format in [Format::Markdown, Format::Html] {
        assert!(render(&brief, format).contains("gives only the gist of Bengali"));
    }
    let json: Value = serde_json::from_str(&render(&brief, Format::Json)).unwrap();
    assert_eq!(json["translation"]["quality"], "gist");
    assert!(json["translation"]["warnings"][0].as_str().unwrap().contains("gist"));
    // Even if the translating stage forgot to.
    brief.translation.warnings.clear();
    for format in [Format::Markdown, Format::Html] {
        assert!(render(&brief, format).contains("gives only the gist of Bengali"));
    }
}

#[test]
fn a_sentence_without_a_translation_is_still_shown() {
    let mut brief = german();
    brief.translation.segments.remove(1);
    let page = render(&brief, Format::Html);
    assert!(page.contains("Ab dem 13. September") && page.contains("(not translated)"));
    let markdown = render(&brief, Format::Markdown);
    assert!(markdown.contains("*(not translated)*"));
    assert!(markdown.contains("“Ab dem 13. September ist die Brücke"));
}

#[test]
fn ten_megabytes_are_rendered_in_seconds() {
    let brief = filled_with(&"<a@b.c> www.`_*[ ".repeat(60_000));
    let begun = std::time::Instant::now();
    for format in [Format::Markdown, Format::Json, Format::Html] {
        assert!(render(&brief, format).len() > 10_000_000);
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
