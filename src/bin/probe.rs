use brief::engine::*;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let t = Instant::now();
    let mut e = Engine::load("x", args[1].as_ref(), &candle_core::Device::Cpu).unwrap();
    eprintln!("load {:?}", t.elapsed());
    let prompts =
        Prompts::load(std::env::var("PDIR").ok().as_deref().map(std::path::Path::new)).unwrap();
    let style = &args[2];
    let family = &args[3];
    let n: usize = args[4].parse().unwrap();
    let name = match family.as_str() {
        "de" => "German",
        "zh" => "Chinese",
        _ => "Bengali",
    };
    let f = format!("/work/shared/flores-dev/{family}.txt");
    let lines: Vec<String> =
        std::fs::read_to_string(f).unwrap().lines().take(n).map(String::from).collect();
    let reqs: Vec<Request> = lines.iter().map(|l| {
        let v = Values::default();
        let p = prompts.render(&format!("translate.{style}.jinja"), minijinja::context!{ language=>name, family=>family, text=>v.text(l), context=>Vec::<minijinja::Value>::new() }, &v, &e.tokenizer).unwrap();
        Request{prompt:p,max_tokens:160,grammar:None}
    }).collect();
    eprintln!("{:?}", e.tokenizer.decode(&reqs[0].prompt.tokens()));
    let ptok: usize = reqs.iter().map(|r| r.prompt.levels.last().unwrap().len()).sum();
    let t = Instant::now();
    let mut steps = 0;
    let mut tok = 0;
    let out = e
        .generate(reqs, &mut |_, w| {
            steps += 1;
            tok += w;
            true
        })
        .unwrap();
    eprintln!("gen {:?} own prompt tokens {ptok} steps {steps} tokens {tok}", t.elapsed());
    for o in out {
        println!("{}", o.text);
        if o.cut_off {
            eprintln!("CUT {}", o.text);
        }
    }
}
