//! Words for months, weekdays and negation.

use super::Tongue;
use crate::calendar;

/// English abbreviations, German and Bengali names.
const MONTHS: [(&[&str], &[&str], &[&str]); 12] = [
    (&["jan"], &["januar", "jänner"], &["জানুয়ারি", "জানুয়ারী"]),
    (&["feb"], &["februar", "feber"], &["ফেব্রুয়ারি", "ফেব্রুয়ারী"]),
    (&[], &["märz"], &["মার্চ"]),
    (&[], &["april"], &["এপ্রিল"]),
    (&[], &["mai"], &["মে"]),
    (&[], &["juni"], &["জুন"]),
    (&[], &["juli"], &["জুলাই"]),
    (&["aug"], &["august"], &["আগস্ট", "অগাস্ট"]),
    (&["sept"], &["september"], &["সেপ্টেম্বর"]),
    (&["oct"], &["oktober"], &["অক্টোবর"]),
    (&["nov"], &["november"], &["নভেম্বর"]),
    (&["dec"], &["dezember"], &["ডিসেম্বর"]),
];

/// German and Bengali names, and the Chinese numeral.
const WEEKDAYS: [(&[&str], &[&str], &str); 7] = [
    (&["montag"], &["সোমবার"], "一"),
    (&["dienstag"], &["মঙ্গলবার"], "二"),
    (&["mittwoch"], &["বুধবার"], "三"),
    (&["donnerstag"], &["বৃহস্পতিবার"], "四"),
    (&["freitag"], &["শুক্রবার"], "五"),
    (&["samstag", "sonnabend"], &["শনিবার"], "六"),
    (&["sonntag"], &["রবিবার", "রোববার"], "日"),
];

/// Words with their neighbours before and after.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || is_bengali_mark(c) || matches!(c, '\'' | '’')))
        .filter(|w| !w.is_empty())
        .collect()
}

/// Vowel signs and the like are no letters to Unicode, but belong to a Bengali word.
pub(super) fn is_bengali_mark(c: char) -> bool {
    matches!(u32::from(c), 0x981..=0x983 | 0x9BC..=0x9D7)
}

/// Bengali is compared decomposed: য় and the like can be written in two ways.
fn composed(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfc().collect()
}

pub(super) fn months(text: &str, tongue: Tongue) -> Vec<u32> {
    let text = composed(text);
    let words = words(&text);
    let mut found = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let lower = word.to_lowercase();
        let lower = lower.trim_end_matches("'s").trim_end_matches("’s");
        let mut months = MONTHS.iter().zip(calendar::MONTHS);
        let month = months.position(|((short, german, bengali), english)| match tongue {
            Tongue::English => english.eq_ignore_ascii_case(lower) || short.contains(&lower),
            // "Septembers", "Augustwoche" are rare enough to leave out but for the genitive.
            Tongue::German => {
                german.iter().any(|m| lower == *m || lower.strip_suffix('s') == Some(m))
            }
            Tongue::Bengali => bengali.iter().any(|m| {
                let m = composed(m);
                lower == m || (m.chars().count() > 3 && lower.starts_with(&m))
            }),
            Tongue::Chinese => false,
        });
        let Some(month) = month else { continue };
        let neighbour = |at: Option<usize>| at.and_then(|at| words.get(at)).copied().unwrap_or("");
        let (before, after) = (neighbour(i.checked_sub(1)), neighbour(Some(i + 1)));
        let counted = |w: &str| w.chars().next().is_some_and(char::is_numeric);
        let ambiguous = matches!(
            (tongue, lower),
            (
                Tongue::English,
                "may" | "march" | "august" | "jan" | "sept" | "dec" | "oct" | "nov" | "feb" | "aug"
            ) | (Tongue::Bengali, "মে")
        );
        let capital =
            word.chars().next().is_some_and(char::is_uppercase) || tongue == Tongue::Bengali;
        let placed = counted(before)
            || counted(after)
            || (tongue == Tongue::English
                && matches!(
                    before.to_lowercase().as_str(),
                    "in" | "of"
                        | "since"
                        | "last"
                        | "next"
                        | "until"
                        | "by"
                        | "early"
                        | "late"
                        | "mid"
                        | "this"
                        | "from"
                        | "to"
                        | "between"
                        | "and"
                        | "end"
                        | "through"
                ));
        if capital && (!ambiguous || placed) {
            found.push(month as u32 + 1);
        }
    }
    found
}

pub(super) fn weekdays(text: &str, tongue: Tongue) -> Vec<u32> {
    let text = composed(text);
    if tongue == Tongue::Chinese {
        return WEEKDAYS
            .iter()
            .enumerate()
            .filter(|(_, (_, _, day))| {
                ["星期", "週", "周", "禮拜", "礼拜"].iter().any(|week| {
                    text.contains(&format!("{week}{day}"))
                        // 周一 is a day, 一周一次 isn't.
                        && !text.contains(&format!("一周{day}"))
                        && !text.contains(&format!("每周{day}次"))
                }) || (*day == "日" && (text.contains("星期天") || text.contains("周天")))
            })
            .map(|(i, _)| i as u32 + 1)
            .collect();
    }
    let words = words(&text);
    words
        .iter()
        .filter_map(|word| {
            let lower = word.to_lowercase();
            let mut days = WEEKDAYS.iter().zip(calendar::WEEKDAYS);
            days.position(|((german, bengali, _), english)| match tongue {
                // Mondays, Monday's
                Tongue::English => word
                    .get(..english.len())
                    .is_some_and(|begins| begins.eq_ignore_ascii_case(english)),
                Tongue::German => german.iter().any(|d| lower.starts_with(d)),
                _ => bengali.iter().any(|d| lower.starts_with(&composed(d))),
            })
        })
        .map(|i| i as u32 + 1)
        .collect()
}

const CHINESE_IDIOMS: &[&str] = &[
    "不相上下",
    "到底有没有",
    "到底有沒有",
    "有没有",
    "有沒有",
    "奋不顾身",
    "奮不顧身",
    "救治无效",
    "救治無效",
    "不列颠",
    "不列顛",
    "不适感",
    "不適感",
    "不无",
    "不無",
    "不屈",
    "有条不紊",
    "有條不紊",
    "各不相同",
    "不尽相同",
    "不盡相同",
    "无差",
    "無差",
    "缺一不可",
    "不难",
    "不難",
    "无论",
    "無論",
    "美不胜收",
    "美不勝收",
    "漫不经心",
    "漫不經心",
    "都无不",
    "都無不",
    "无不",
    "無不",
    "不可思议",
    "不可思議",
    "不约而同",
    "不約而同",
    "不由得",
    "不言而喻",
    "不胜枚举",
    "不勝枚舉",
    "不锈",
    "不鏽",
    "不丹",
    "无线",
    "無線",
    "无人机",
    "無人機",
    "不景气",
    "不僅",
    "不仅",
    "不但",
    "不只",
    "不光",
    "不單",
    "不单",
    "不斷",
    "不断",
    "不過",
    "不过",
    "不久",
    "不同",
    "不少",
    "不得不",
    "不妨",
    "不禁",
    "不止",
    "不等",
    "不料",
    "不如",
    "不由",
    "不管",
    "不論",
    "不论",
    "不已",
    "不乏",
    "不時",
    "不时",
    "不惜",
    "不愧",
    "不可避免",
    "不可或缺",
    "不可分割",
    "不容忽視",
    "不容忽视",
    "不一",
    "不定期",
    "不滿",
    "不满",
    "不安",
    "不幸",
    "不足",
    "不良",
    "不利",
    "不當",
    "不当",
    "不法",
    "不便",
    "不錯",
    "不错",
    "不動產",
    "不动产",
    "不鏽鋼",
    "不锈钢",
    "非常",
    "非洲",
    "非凡",
    "非法",
    "是非",
    "除非",
    "非得",
    "莫非",
    "南非",
    "非裔",
    "菲",
    "並非易事",
    "未來",
    "未来",
    "未必",
    "未婚",
    "未成年",
    "無人",
    "无人",
    "無疑",
    "无疑",
    "無非",
    "无非",
    "無數",
    "无数",
    "無法",
    "無比",
    "无比",
    "無辜",
    "无辜",
    "無奈",
    "无奈",
    "無限",
    "无限",
    "無力",
    "无力",
    "無家",
    "无家",
    "否則",
    "否则",
    "是否",
    "否決",
    "否决",
    "否認",
    "否认",
    "能否",
    "可否",
    "與否",
    "与否",
    "沒收",
    "没收",
    "沉沒",
    "沉没",
    "淹沒",
    "淹没",
    "埋沒",
    "埋没",
    "別墅",
    "要不",
    "差不多",
    "對不起",
    "对不起",
    "了不起",
    "忍不住",
    "禁不住",
    "說不定",
    "说不定",
    "巴不得",
    "恨不得",
    "無聲",
    "无声",
    "無意",
    "无意",
    "不得已",
    "不明",
    "不穩",
    "不稳",
    "不確定",
    "不确定",
    "不平",
    "不對稱",
    "不对称",
    "史無前例",
    "史无前例",
    "前所未有",
    "無端",
    "無償",
    "无偿",
    "無條件",
    "无条件",
];

const GERMAN_NEGATIONS: &[&str] = &[
    "nicht",
    "kein",
    "keine",
    "keinen",
    "keinem",
    "keiner",
    "keines",
    "nie",
    "niemals",
    "niemand",
    "nichts",
    "weder",
    "nirgends",
    "keinerlei",
    "keineswegs",
    "mitnichten",
];

const BENGALI_NEGATIONS: &[&str] = &[
    "না",
    "নেই",
    "নয়",
    "নি",
    "নন",
    "নাই",
    "নহে",
    "হয়নি",
    "যায়নি",
    "করেনি",
    "পারেনি",
    "করেননি",
    "জানাননি",
    "পাননি",
    "দেননি",
    "বলেননি",
    "হননি",
    "যাননি",
    "পারেননি",
    "পায়নি",
    "দেয়নি",
];

const ENGLISH_NEGATIONS: &[&str] =
    &["not", "never", "neither", "nor", "cannot", "nobody", "nothing", "none", "nowhere"];

pub(super) fn negates(text: &str, tongue: Tongue) -> bool {
    match tongue {
        Tongue::Chinese => {
            let mut text = text.to_owned();
            for idiom in CHINESE_IDIOMS {
                text = text.replace(idiom, "");
            }
            text.contains(['不', '沒', '没', '未', '無', '无'])
        }
        Tongue::German => {
            let lower = text.to_lowercase();
            let lower = lower
                .replace("nicht nur", "")
                .replace("nicht zuletzt", "")
                .replace("nicht weniger als", "")
                .replace("nichts anderes als", "")
                .replace("wenn nicht", "")
                .replace("nicht allein", "");
            words(&lower).iter().any(|w| GERMAN_NEGATIONS.contains(w))
        }
        Tongue::Bengali => {
            let text = composed(text).replace("শুধু নয়", "").replace("না কি", "").replace("নাকি", "");
            words(&text).iter().any(|w| {
                BENGALI_NEGATIONS.iter().any(|n| composed(n) == *w)
                    || (w.ends_with("নি") && w.chars().count() > 4 && verb_like(w))
            })
        }
        Tongue::English => {
            let lower = text
                .to_lowercase()
                .replace('’', "'")
                .replace("not only", "")
                .replace("not just", "")
                .replace("not least", "")
                .replace("not to mention", "")
                .replace("no longer", "not")
                .replace("nothing but", "")
                .replace("not merely", "");
            words(&lower).iter().any(|w| ENGLISH_NEGATIONS.contains(w) || w.ends_with("n't"))
        }
    }
}

/// Bengali perfect forms end in -নি when negated: করেনি, যাননি; nouns like জার্মানি do not.
fn verb_like(word: &str) -> bool {
    ["েনি", "ায়নি", "াননি", "েননি", "য়নি", "ায়নি", "োনি"].iter().any(|e| word.ends_with(&composed(e)))
}

pub(super) fn may_negate(english: &str) -> bool {
    // Beginnings of words that deny, refuse or miss something.
    const STEMS: &[&str] = &[
        "fail",
        "lack",
        "refus",
        "deny",
        "denie",
        "denial",
        "reject",
        "absen",
        "avoid",
        "prevent",
        "without",
        "hardly",
        "rarely",
        "barely",
        "scarcely",
        "seldom",
        "little",
        "few",
        "prohibit",
        "forbid",
        "forbad",
        "stop",
        "miss",
        "except",
        "exclu",
        "oppos",
        "instead",
        "rather",
        "only",
        "zero",
        "declin",
        "ceas",
        "dismiss",
        "cancel",
        "withh",
        "unless",
        "regardless",
        "hinder",
        "halt",
        "loss",
        "lost",
        "disagre",
        "disappear",
        "disput",
        "disapprov",
        "disregard",
        "dislik",
        "discontinu",
        "inab",
        "incap",
        "insuff",
        "ineff",
        "invis",
        "incomp",
        "inconsist",
        "impossib",
        "improbab",
        "imposs",
        "impass",
        "illegib",
        "irregular",
        "irrelev",
        "invalid",
        "depriv",
        "void",
        "nil",
        "non",
        "neglig",
        "ignor",
        "ineligib",
        "insepar",
        "intact",
        "exempt",
        "anything",
        "anyone",
        "anybody",
        "less",
        "devoid",
        "minimal",
    ];
    const WORDS: &[&str] = &["no", "ban", "bans", "banned", "free"];
    // "un-" that negates nothing.
    const NOT_UN: &[&str] = &["under", "unit", "univers", "uniq", "unif", "union", "unto", "uncle"];
    const PHRASES: &[&str] =
        &["far from", "yet to", "out of", "rule out", "ruled out", "rules out"];
    let lower = english.to_lowercase();
    negates(english, Tongue::English)
        || PHRASES.iter().any(|p| lower.contains(p))
        || words(&lower).iter().any(|w| {
            WORDS.contains(w)
                || (w.starts_with("un") && !NOT_UN.iter().any(|s| w.starts_with(s)))
                || (w.ends_with("less") && *w != "nevertheless" && *w != "nonetheless")
                || STEMS.iter().any(|s| w.starts_with(s))
        })
}

pub(super) fn may_negate_source(text: &str, tongue: Tongue) -> bool {
    match tongue {
        Tongue::Chinese => text.contains([
            '不', '沒', '没', '未', '無', '无', '非', '否', '別', '别', '少', '難', '难', '缺',
            '拒', '失', '禁', '免', '勿', '莫', '絕', '绝', '停', '除', '僅', '仅', '只', '才',
            '反',
        ]),
        Tongue::German => {
            let lower = text.to_lowercase();
            negates(text, tongue)
                || lower.contains("nicht")
                || lower.contains("kein")
                || words(&lower).iter().any(|w| {
                    w.starts_with("un")
                        && !matches!(*w, "und" | "uns" | "unser" | "unsere" | "unter" | "unten")
                        || w.ends_with("los")
                        || w.ends_with("lose")
                        || w.ends_with("losen")
                        || w.ends_with("frei")
                        || [
                            "ohne",
                            "kaum",
                            "selten",
                            "statt",
                            "anstatt",
                            "verweiger",
                            "weiger",
                            "verbiet",
                            "verbot",
                            "ablehn",
                            "abgelehnt",
                            "lehnt",
                            "fehl",
                            "mangel",
                            "sondern",
                            "weder",
                            "noch",
                            "nur",
                            "außer",
                            "trotz",
                            "entgegen",
                            "gegen",
                            "verhinder",
                            "bestreit",
                            "bestritt",
                            "dementier",
                            "aus",
                            "wenig",
                            "erst",
                            "nie",
                            "verlor",
                            "anders",
                            "scheiter",
                        ]
                        .iter()
                        .any(|s| w.starts_with(s))
                })
        }
        Tongue::Bengali => {
            let text = composed(text);
            negates(&text, tongue)
                || ["না", "নি", "নেই", "নয়", "ছাড়া", "বিনা", "অ", "ব্যর্থ", "বন্ধ", "বাতিল", "কম"]
                    .iter()
                    .any(|n| text.contains(&composed(n)))
        }
        Tongue::English => negates(text, tongue),
    }
}
