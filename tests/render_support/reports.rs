//! Reports of a real one's length, in Chinese and Bengali: what a page looks like in use.

use brief::{
    article::BlockKind::{Heading, ListItem, Paragraph, Title},
    render::Brief,
    summarize::Origin,
    trace::{Sign, SignKind, Support, Verdict},
    translate::FlagKind,
};

use super::{Line, Piece, claim, flag, translated, with_summary};

fn line<'a>(source: &'a str, target: &'a str) -> Line<'a> {
    Line(source, target, Vec::new())
}

/// Every sign there is, with the given ones spoilt.
fn signs(spoilt: &[(SignKind, Verdict, &str)]) -> Support {
    use SignKind::Translation;
    use SignKind::{Dates, Names, Negation, Numbers, Roles, Similarity, SourceSimilarity, Words};
    let measured = [(Words, 0.83), (Similarity, 0.91), (SourceSimilarity, 0.87)];
    let kinds = [Numbers, Dates, Names, Negation, Roles, Translation].map(|kind| (kind, None));
    let kinds = kinds.into_iter().chain(measured.map(|(kind, score)| (kind, Some(score))));
    let signs = kinds.map(|(kind, score)| {
        let fault = spoilt.iter().find(|(spoilt, _, _)| *spoilt == kind);
        Sign {
            kind,
            verdict: fault.map_or(Verdict::Supported, |(_, verdict, _)| *verdict),
            score,
            detail: fault.map(|(_, _, detail)| (*detail).to_owned()),
            against: None,
        }
    });
    Support::weigh(signs.collect())
}

/// A flood in a small town, in traditional Chinese.
pub fn chinese() -> Brief {
    let brief = translated(
        "新聞/溪口水災.html",
        "zh-Hant",
        &[
            Piece::Dropped("首頁　地方　社會　生活", "a list of links"),
            Piece::Dropped("記者林小梅／溪口報導", "the author's line"),
            Piece::Kept(
                Title,
                vec![line(
                    "豪雨襲溪口鎮　兩百多戶連夜撤離",
                    "Torrential rain hits Xikou; more than 200 households evacuated overnight",
                )],
            ),
            Piece::Kept(
                Paragraph,
                vec![
                    line(
                        "受鋒面影響，溪口鎮自星期二下午起降下豪雨，二十四小時內累積雨量達312毫米。",
                        "Under the influence of a front, torrential rain has been falling on Xikou since Tuesday afternoon, with 312 millimetres within 24 hours.",
                    ),
                    line(
                        "鎮公所晚間九時下令沿河三個里的居民撤離，共有218戶、六百多人被安置在國小體育館。",
                        "At nine in the evening the town office ordered residents of three riverside neighbourhoods to leave; 218 households with more than 600 people were put up in the primary school's gymnasium.",
                    ),
                    Line(
                        "消防局表示，目前沒有人員死亡，但有四人輕傷送醫。",
                        "The fire brigade said that there are currently no deaths, but 14 people were slightly injured and taken to hospital.",
                        vec![
                            flag(FlagKind::NumberAdded, "“14” is not in the source"),
                            flag(FlagKind::NumberMissing, "“四” is missing"),
                        ],
                    ),
                ],
            ),
            Piece::Dropped(
                "▲圖為溪口橋，水位一度逼近橋面。（圖／讀者提供）",
                "a picture's caption",
            ),
            Piece::Kept(Heading, vec![line("道路中斷", "Roads cut off")]),
            Piece::Kept(
                Paragraph,
                vec![
                    line(
                        "通往鄰鎮的縣道在十二公里處坍方，預計最快週五才能搶通。",
                        "The county road to the neighbouring town has collapsed at kilometre 12 and is expected to be reopened on Friday at the earliest.",
                    ),
                    line(
                        "台鐵溪口站暫停營運，旅客須改搭接駁車。",
                        "Xikou railway station is out of service; passengers have to take shuttle buses.",
                    ),
                    Line(
                        "鎮長陳國華說：「我們已經請求縣府支援抽水機。」",
                        "Mayor Chen Guohua said: “We have asked the county government for the support of pumps.”",
                        vec![flag(
                            FlagKind::Name,
                            "“Guohua” can be spelt otherwise; the source has 陳國華",
                        )],
                    ),
                ],
            ),
            Piece::Kept(Heading, vec![line("學校停課", "Schools closed")]),
            Piece::Kept(
                ListItem,
                vec![line("溪口國小：停課兩天。", "Xikou Primary School: closed for two days.")],
            ),
            Piece::Kept(
                ListItem,
                vec![line("溪口國中：改為線上上課。", "Xikou Junior High School: lessons online.")],
            ),
            Piece::Kept(
                Paragraph,
                vec![
                    line(
                        "氣象署預測雨勢將在星期四減弱，但提醒山區仍要注意土石流。",
                        "The weather service expects the rain to ease on Thursday, but warns that mudslides remain possible in the mountains.",
                    ),
                    line(
                        "農會估計，稻田損失約一千八百萬元。",
                        "The farmers' association estimates the loss of rice fields at about 18 million dollars.",
                    ),
                ],
            ),
            Piece::Dropped("延伸閱讀", "a teaser"),
            Piece::Dropped("中秋烤肉去哪裡？十大景點一次看", "a teaser"),
            Piece::Dropped("請輸入您的留言", "an invitation to comment"),
        ],
    );
    let claims = vec![
        claim(
            &brief,
            "After 312 millimetres of rain within 24 hours, 218 households in Xikou had to leave their homes.",
            &[2, 3],
            Origin::Generated,
            signs(&[]),
        ),
        claim(
            &brief,
            "The county road to the neighbouring town won't be open again before Friday, and trains don't stop in Xikou.",
            &[6, 7],
            Origin::Generated,
            signs(&[(
                SignKind::Words,
                Verdict::Partly,
                "only part of its words are in what it cites",
            )]),
        ),
        claim(
            &brief,
            "The fire brigade said that there are currently no deaths, but 14 people were slightly injured and taken to hospital.",
            &[4],
            Origin::Extracted,
            signs(&[(SignKind::Numbers, Verdict::Unsupported, "“14” is not in what it cites")]),
        ),
        claim(
            &brief,
            "The rain is expected to ease on Thursday; the loss of rice is put at 18 million dollars, and the schools are closed or teach online.",
            &[12, 13, 10, 11],
            Origin::Generated,
            signs(&[]),
        ),
    ];
    with_summary(brief, claims)
}

/// A ferry service, in Bengali, as a gist.
pub fn bengali() -> Brief {
    let mut brief = translated(
        "সংবাদ/ফেরি.txt",
        "bn",
        &[
            Piece::Kept(
                Title,
                vec![line("কুয়াশায় শীতলপুর ঘাটে ফেরি চলাচল বন্ধ", "Ferries at Shitalpur stopped by fog")],
            ),
            Piece::Kept(
                Paragraph,
                vec![
                    line(
                        "ঘন কুয়াশার কারণে বুধবার ভোর চারটা থেকে শীতলপুর ঘাটে ফেরি চলাচল বন্ধ রয়েছে।",
                        "Because of dense fog, ferries at Shitalpur have been stopped since four o'clock on Wednesday morning.",
                    ),
                    line(
                        "নদীর দুই পাড়ে প্রায় তিন শতাধিক যানবাহন আটকা পড়েছে, যার মধ্যে রয়েছে অন্তত ৪৫টি যাত্রীবাহী বাস।",
                        "Some three hundred vehicles are stuck on both banks of the river, among them at least 45 coaches.",
                    ),
                    Line(
                        "ঘাট কর্তৃপক্ষ জানিয়েছে, কুয়াশা না কাটা পর্যন্ত কোনো ফেরি ছাড়বে না।",
                        "The harbour authority said that ferries will leave until the fog lifts.",
                        vec![flag(
                            FlagKind::Negation,
                            "the source denies something, the translation nothing",
                        )],
                    ),
                ],
            ),
            Piece::Kept(
                Paragraph,
                vec![
                    line(
                        "ট্রাকচালক রফিকুল ইসলাম বলেন, “সারা রাত ঠান্ডায় বসে আছি, খাবারও প্রায় শেষ।”",
                        "“We have been sitting in the cold all night, and the food is nearly gone”, said lorry driver Rafiqul Islam.",
                    ),
                    line(
                        "আবহাওয়া অধিদপ্তরের মতে, বৃহস্পতিবার সকালে কুয়াশা কিছুটা কমতে পারে।",
                        "According to the weather office the fog may thin a little on Thursday morning.",
                    ),
                ],
            ),
            Piece::Dropped("আরও পড়ুন: শীতে ত্বকের যত্ন", "a teaser"),
        ],
    );
    brief.translation.quality = "gist".into();
    brief.translation.segments.iter_mut().for_each(|segment| segment.estimate = Some(0.86));
    let gist = || {
        let detail = "the translation that it cites is a gist";
        signs(&[(SignKind::Translation, Verdict::Partly, detail)])
    };
    let claims = vec![
        claim(
            &brief,
            "Dense fog has stopped the ferries at Shitalpur since early Wednesday, and at least 45 coaches are stuck.",
            &[2, 3],
            Origin::Generated,
            gist(),
        ),
        claim(
            &brief,
            "The fog may thin a little on Thursday morning.",
            &[6],
            Origin::Generated,
            gist(),
        ),
    ];
    with_summary(brief, claims)
}
