//! `brief show`: what stands in the terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod render_support;

use std::process::{Command, Stdio};

use brief::render::{
    Brief, Format, render, render_many,
    terminal::{self, View},
};
use render_support::{german, gist_bengali, reports};
use tempfile::TempDir;

const PLAIN: View = View { width: 80, colour: false, evidence: false, dropped: false };

fn show(briefs: &[Brief], arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let folder: TempDir = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("out.json"), render_many(briefs, Format::Json)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_brief"))
        .args(["show", "out.json"])
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("COLUMNS")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn shows_as_recorded() {
    let all = View { evidence: true, dropped: true, ..PLAIN };
    insta::assert_snapshot!("chinese", terminal::render(&reports::chinese(), PLAIN));
    insta::assert_snapshot!("bengali_all", terminal::render(&reports::bengali(), all));
    insta::assert_snapshot!("german_all", terminal::render(&german(), all));
}

#[test]
fn lines_fit_any_width_and_nothing_is_lost() {
    let words = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    for brief in [german(), reports::chinese(), reports::bengali(), gist_bengali()] {
        let wide = terminal::render(&brief, View { width: 10_000, ..PLAIN });
        for width in [40, 80, 100] {
            let text = terminal::render(&brief, View { width, ..PLAIN });
            for line in text.lines() {
                assert!(textwrap::core::display_width(line) <= width, "{width}: {line}");
                assert_eq!(line.trim_end(), line);
            }
            assert_eq!(words(&text), words(&wide), "{width}");
        }
        assert!(!terminal::render(&brief, View { width: 0, ..PLAIN }).is_empty());
    }
}

#[test]
fn colour_only_where_it_is_wanted() {
    let briefs = [german()];
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let (code, out, err) = show(&briefs, arguments, variables);
        assert_eq!((code, err.as_str()), (0, ""));
        out.contains('\u{1b}')
    };
    assert!(!coloured(&[], &[]), "not into a pipe");
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]), "what is asked for is done");
    assert!(!coloured(&["--color=never"], &[]));
    // Colour adds nothing but itself.
    let view = View { colour: true, evidence: true, dropped: true, ..PLAIN };
    let bare: String = anstyle_stripped(&terminal::render(&german(), view));
    assert_eq!(bare, terminal::render(&german(), View { colour: false, ..view }));
}

/// Without the sequences `ESC [ … m`.
fn anstyle_stripped(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut bare = parts.next().unwrap().to_owned();
    for part in parts {
        bare.push_str(part.split_once('m').unwrap().1);
    }
    bare
}

#[test]
fn text_can_not_steer_the_terminal() {
    let nasty = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{8}\r\u{202e}x";
    let mut brief = german();
    for slot in
        [&mut brief.source.path, &mut brief.translation.model, &mut brief.translation.quality]
    {
        *slot = nasty.into();
    }
    brief.source.title = Some(nasty.into());
    brief.source.date = Some(nasty.into());
    brief.translation.warnings = vec![nasty.into()];
    brief.blocks.iter_mut().for_each(|block| block.reason = nasty.into());
    for segment in &mut brief.translation.segments {
        segment.target = nasty.into();
        segment.flags.iter_mut().for_each(|flag| flag.detail = nasty.into());
    }
    let summary = brief.summary.as_mut().unwrap();
    summary.model = nasty.into();
    for claim in &mut summary.claims {
        claim.text = nasty.into();
        claim.support.reason = nasty.into();
        claim.support.signs.iter_mut().for_each(|sign| sign.detail = Some(nasty.into()));
        for citation in &mut claim.citations {
            citation.sentence = nasty.into();
            citation.quote = nasty.into();
        }
    }
    let view = View { evidence: true, dropped: true, ..PLAIN };
    let text = terminal::render(&brief, view);
    let steering = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert_eq!(text.chars().find(|c| steering(*c)), None);
    assert!(text.contains("\u{fffd}]0;title"));
}

#[test]
fn several_are_shown_and_what_is_no_brief_is_named() {
    let (code, out, err) =
        show(&[german(), reports::chinese()], &["absent.json"], &[("COLUMNS", "60")]);
    assert_eq!(code, 1);
    assert!(out.contains("The bridge over the Lahn") && out.contains("Torrential rain hits Xikou"));
    assert!(out.contains(&format!("\n{}\n", "─".repeat(60))));
    assert!(err.contains("absent.json") && err.lines().count() == 1, "{err}");
}

#[test]
fn a_brief_comes_through_a_pipe() {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_brief"))
        .args(["show", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let json = render(&german(), Format::Json);
    child.stdin.take().unwrap().write_all(json.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("bytes 85–148"));
}
