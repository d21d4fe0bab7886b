"use strict";
// Lights up what belongs together: a summary sentence and what it cites, a sentence and its
// translation. Without this script links, footnotes and :target do the same, a place at a time.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const words = (text) => (text ?? "").split(" ").filter(Boolean);
  const claims = all(".claim");
  const notesOf = (claim) => words(claim.dataset.notes).map((id) => document.getElementById(id));
  const keysOf = (element) => words(element.dataset.sentences);
  const wordOf = (claim) => claim.querySelector(".verdict .badge").lastChild.textContent.trim();
  const numberOf = (claim) => claim.id.replace(/.*-/, "");

  // The elements that hold a sentence in either language or as a footnote, and who cites it.
  const holders = new Map();
  const citing = new Map();
  const add = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  for (const element of all("[data-sentences]")) {
    for (const key of keysOf(element)) add(holders, key, element);
  }
  for (const claim of claims) {
    for (const note of notesOf(claim)) for (const key of keysOf(note)) add(citing, key, claim);
  }
  const togetherWith = (elements) =>
    new Set(elements.flatMap((e) => [e, ...keysOf(e).flatMap((key) => holders.get(key) ?? [])]));

  const mark = (name, elements) => {
    for (const element of all(`.${name}`)) element.classList.remove(name);
    for (const element of elements) element.classList.add(name);
  };
  const reveal = (element) => {
    const { top, bottom } = element.getBoundingClientRect();
    const covered = bar.hidden ? 0 : bar.offsetHeight;
    if (top < 0 || bottom > innerHeight - covered) element.scrollIntoView({ block: "center" });
  };

  // What is selected: a summary sentence with one of its citations, or a sentence of the text.
  const bar = one(".bar");
  let claim = null;
  let citation = 0;
  let sentence = null;

  const show = (text, title, links = []) => {
    bar.hidden = !text;
    root.classList.toggle("selecting", Boolean(text));
    one(".bar-text").textContent = text;
    one(".bar-claim").textContent = title;
    one("#said").textContent = text;
    one(".bar-claims").replaceChildren(
      ...links.map((target) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = `Summary ${numberOf(target)}`;
        button.addEventListener("click", () => selectClaim(target));
        return button;
      }),
    );
    for (const name of ["previous", "next"]) {
      one(`[data-do=${name}]`).hidden = !claim || notesOf(claim).length < 2;
    }
  };
  const clear = () => {
    for (const other of claims) other.querySelector(".claim-text").removeAttribute("aria-current");
    for (const panel of all(".evidence.unfolded")) {
      panel.classList.remove("unfolded");
      panel.open = false;
    }
    claim = sentence = null;
    mark("lit", []);
    mark("now", []);
    show("", "");
  };
  const selectClaim = (target, index = 0) => {
    if (target !== claim) clear();
    claim = target;
    const notes = notesOf(claim);
    citation = (index + notes.length) % notes.length;
    const text = claim.querySelector(".claim-text");
    text.setAttribute("aria-current", "true");
    const panel = claim.querySelector(".evidence:not([open])");
    if (panel) {
      panel.open = true;
      panel.classList.add("unfolded");
    }
    mark("lit", [claim, ...togetherWith(notes)]);
    mark("now", togetherWith([notes[citation]]));
    show(
      `Sentence ${numberOf(claim)}, ${wordOf(claim)}: citation ${citation + 1} of ` +
        `${notes.length}, ${notes[citation].dataset.place}`,
      text.textContent,
    );
    text.focus({ preventScroll: true });
    claim.scrollIntoView({ block: "nearest" });
    const cited = one(".segment.now") ?? one(".sentence.now");
    if (cited) reveal(cited);
  };
  const selectSentence = (target) => {
    clear();
    sentence = target;
    const together = togetherWith([target]);
    mark("lit", together);
    const places = [...together].filter((e) => e.matches(".sentence")).map((e) => e.dataset.place);
    const by = [...new Set(keysOf(target).flatMap((key) => citing.get(key) ?? []))];
    const cited = by.length
      ? `cited by summary sentence ${by.map(numberOf).join(" and ")}`
      : claims.length && "not cited by the summary";
    show([places.join("; "), cited].filter(Boolean).join(": ") || "no original", "", by);
  };

  // Views.
  const views = { flags: all("details.flags"), dropped: all("details.dropped") };
  const pressed = (name, on) => one(`[data-do=${name}]`).setAttribute("aria-pressed", on);
  const isPressed = (name) => one(`[data-do=${name}]`).getAttribute("aria-pressed") === "true";
  const toggle = (name) => {
    const open = !isPressed(name);
    for (const details of views[name]) details.open = open;
    pressed(name, open);
    one("#said").textContent = `${one(`[data-do=${name}]`).textContent} ${open ? "shown" : "hidden"}`;
  };
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
  const actions = {
    flags: () => toggle("flags"),
    dropped: () => toggle("dropped"),
    dark: () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      pressed("dark", isDark());
    },
    keys: () => one("#keys").showModal(),
    close: () => one("#keys").close(),
    letters: () => pressed("letters", !isPressed("letters")),
    previous: () => claim && selectClaim(claim, citation - 1),
    next: () => claim && selectClaim(claim, citation + 1),
    clear,
  };

  document.addEventListener("click", (event) => {
    const { target } = event;
    const button = target.closest("button[data-do]");
    if (button) return actions[button.dataset.do]();
    if (target.closest("summary, .bar, dialog") || !getSelection().isCollapsed) return;
    const inClaim = target.closest(".claim");
    if (inClaim) {
      // A mark chooses its citation; anything else the first, or what was chosen before.
      const noted = target.closest(".mark")?.hash.slice(1);
      const index = words(inClaim.dataset.notes).indexOf(noted);
      selectClaim(inClaim, index >= 0 ? index : inClaim === claim ? citation : 0);
      event.preventDefault();
    } else if (!target.closest("a")) {
      const text = target.closest(".segment, .sentence");
      if (text) selectSentence(text);
    }
  });
  document.addEventListener("pointerover", ({ target }) => {
    const claimed = target.closest(".claim");
    const pointed = target.closest("[data-sentences]");
    mark("pointed", togetherWith(claimed ? notesOf(claimed) : pointed ? [pointed] : []));
  });

  // Up and down go through the sentences of a column while one of them is in focus, else through
  // the summary's. One sentence of a column at a time can be reached with the tab key.
  const columns = all(".columns").flatMap((c) => [all(".segment", c), all(".sentence", c)]);
  for (const column of columns) column[0]?.setAttribute("tabindex", "0");
  const focusIn = (column, index) => {
    const target = column[Math.min(Math.max(index, 0), column.length - 1)];
    for (const element of column) element.removeAttribute("tabindex");
    target.setAttribute("tabindex", "0");
    target.focus({ preventScroll: true });
    selectSentence(target);
    reveal(target);
  };
  const step = (by, always) => {
    const active = document.activeElement;
    if (active.matches(".segment, .sentence")) {
      const column = columns.find((elements) => elements.includes(active));
      focusIn(column, column.indexOf(active) + by);
    } else if (claims.length && (always || claim || active.closest(".claim"))) {
      const at = claims.indexOf(claim ?? active.closest(".claim"));
      selectClaim(claims[Math.min(Math.max(at + by, 0), claims.length - 1)]);
    } else {
      return false;
    }
    return true;
  };
  const keys = {
    ArrowDown: () => step(1, false),
    ArrowUp: () => step(-1, false),
    ArrowRight: () => claim && (actions.next(), true),
    ArrowLeft: () => claim && (actions.previous(), true),
    Escape: () => (clear(), true),
    Enter: () => {
      const active = document.activeElement;
      return active.matches(".segment, .sentence") && (selectSentence(active), true);
    },
  };
  const letters = {
    j: () => step(1, true),
    k: () => step(-1, true),
    "]": keys.ArrowRight,
    "[": keys.ArrowLeft,
    f: () => (actions.flags(), true),
    d: () => (actions.dropped(), true),
    "?": () => (actions.keys(), true),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || one("#keys").open) return;
    const act = keys[event.key] ?? (isPressed("letters") ? letters[event.key] : undefined);
    if (act?.()) event.preventDefault();
  });

  const follow = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (target.matches(".claim")) selectClaim(target);
    else if (target.matches(".segment, .sentence")) selectSentence(target);
    else if (target.matches("[data-sentences]")) mark("lit", togetherWith([target]));
  };
  addEventListener("hashchange", follow);

  // Closed parts are printed too.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });

  root.classList.add("scripted");
  one(".tools").hidden = false;
  for (const name of Object.keys(views)) one(`[data-do=${name}]`).hidden = !views[name].length;
  const isDarkNow = () => pressed("dark", isDark());
  prefersDark.addEventListener("change", isDarkNow);
  isDarkNow();
  follow();
})();
