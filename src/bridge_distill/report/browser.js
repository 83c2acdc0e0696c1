"use strict";
// Search and filter the test questions, and draw one page of them. Texts only ever become text nodes.
(() => {
  const EACH = 10;
  const { questions, models } = JSON.parse(document.getElementById("browser-data").textContent);
  const at = (name) => document.getElementById(`browser-${name}`);
  const number = (value) => value.toLocaleString("en-US");
  const body = (text) => (Array.isArray(text) ? text[0] : text);
  const STATES = { r: "✓ correct", w: "✗ wrong", u: "✗ no readable answer" };
  let shown = [];
  let page = 0;

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // A text that the page holds only the beginning of says so.
  const written = (text) =>
    Array.isArray(text)
      ? [text[0], make("span", { class: "soft" }, ` … ${number(text[1])} characters more`)]
      : [text];

  const isRight = (model, row) => models[model].states[row].toLowerCase() === "r";
  const wasAsked = (model, row) => models[model].states[row] !== "-";
  const FILTERS = {
    all: () => true,
    wrong: (row, one) => wasAsked(one, row) && !isRight(one, row),
    right: (row, one) => isRight(one, row),
    unreadable: (row, one) => models[one].states[row].toLowerCase() === "u",
    changed: (row, one, other) => FILTERS.won(row, one, other) || FILTERS.lost(row, one, other),
    won: (row, one, other) => isRight(one, row) && wasAsked(other, row) && !isRight(other, row),
    lost: (row, one, other) => FILTERS.won(row, other, one),
  };

  const texts = function* (row) {
    yield body(questions.texts[row]);
    yield body(questions.ids[row]);
    yield body(questions.answers[row]);
    for (const choice of questions.choices[row] ?? []) yield body(choice);
    for (const model of models) {
      yield body(model.texts[row]);
      yield body(model.answers[row]);
    }
  };

  const holds = (row, words) => {
    const left = new Set(words);
    for (const text of texts(row)) {
      if (!left.size) break;
      if (text !== null) for (const word of left) if (word.test(text)) left.delete(word);
    }
    return !left.size;
  };

  const find = () => {
    const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    const words = at("words").value.split(/\s+/).filter(Boolean).map((word) => new RegExp(escaped(word), "iu"));
    const passes = FILTERS[at("show").value];
    const [one, other] = [Number(at("one").value), Number(at("other")?.value ?? 0)];
    const domain = at("domain")?.value ?? "";
    shown = [];
    for (let row = 0; row < questions.ids.length; row += 1) {
      if (domain !== "" && questions.domains[row] !== Number(domain)) continue;
      if (passes(row, one, other) && holds(row, words)) shown.push(row);
    }
    turn(0);
  };

  const answer = (model, row) => {
    const state = model.states[row];
    const name = make("h4", {}, model.label);
    if (state === "-") return make("div", { class: "answer" }, name, make("p", { class: "soft" }, "not asked"));
    const verdict = make("div", {}, make("span", { class: "mark" }, STATES[state.toLowerCase()]));
    if (model.answers[row] !== null) verdict.append(": ", make("bdi", {}, ...written(model.answers[row])));
    if (state !== state.toLowerCase()) verdict.append(" ", make("span", { class: "soft" }, "(cut off)"));
    const said = make("div", { class: "said", dir: "auto" }, ...written(model.texts[row]));
    said.dataset.label = `What ${model.label} wrote`;
    return make("div", { class: `answer ${state.toLowerCase() === "r" ? "right" : "wrong"}` }, name, verdict, said);
  };

  const article = (row) => {
    const title = make("h3", { id: `question-${row}` }, `Question ${number(row + 1)} `);
    title.append(make("bdi", { class: "soft" }, ...written(questions.ids[row])));
    const text = make("p", { class: "question", dir: "auto" }, ...written(questions.texts[row]));
    text.dataset.label = "The question";
    const gold = make("p", { class: "soft" }, "Correct answer: ", make("bdi", {}, ...written(questions.answers[row] ?? "not known")));
    const answers = make("div", { class: "answers" }, ...models.map((model) => answer(model, row)));
    const parts = [title, text];
    if (questions.choices[row]) {
      const choices = questions.choices[row].map((choice) => make("li", { dir: "auto" }, ...written(choice)));
      parts.push(make("ol", { type: "A" }, ...choices));
    }
    return make("article", { class: "example", "aria-labelledby": title.id }, ...parts, gold, answers);
  };

  // A text that scrolls within its box must be reachable by keyboard; one that does not should cost no stop.
  const reachable = (list) => {
    for (const box of list.querySelectorAll("[data-label]")) {
      if (box.scrollHeight <= box.clientHeight) continue;
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", box.dataset.label);
    }
  };

  const turn = (to) => {
    const pages = Math.max(1, Math.ceil(shown.length / EACH));
    page = Math.min(Math.max(to, 0), pages - 1);
    const rows = shown.slice(page * EACH, (page + 1) * EACH);
    const list = at("list");
    list.replaceChildren(...rows.map(article));
    reachable(list);
    const range = rows.length ? `; ${number(page * EACH + 1)} to ${number(page * EACH + rows.length)} are shown` : "";
    at("found").textContent = `${number(shown.length)} of ${number(questions.ids.length)} questions${range}.`;
    at("page").value = page + 1;
    at("page").max = pages;
    at("pages").textContent = number(pages);
    at("previous").disabled = page === 0;
    at("next").disabled = page === pages - 1;
  };

  const go = (to) => {
    turn(to);
    at("found").scrollIntoView();
    at("found").focus({ preventScroll: true });
  };

  let waiting;
  at("words").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 150);
  });
  for (const name of ["domain", "show", "one", "other"]) at(name)?.addEventListener("change", find);
  at("previous").addEventListener("click", () => go(page - 1));
  at("next").addEventListener("click", () => go(page + 1));
  at("page").addEventListener("change", () => go((Number(at("page").value) || 1) - 1));
  find();
})();
