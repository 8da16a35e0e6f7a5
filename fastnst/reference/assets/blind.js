"use strict";
const study = JSON.parse(document.getElementById("study").textContent);
const element = id => document.getElementById(id);
// Shuffled anew for every visitor: the order of the pairs, and which of the two stands at the left.
function shuffled(items) {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}
const pairs = [];
for (const photo of study.photos)
  for (let first = 0; first < study.ways.length; first++)
    for (let second = first + 1; second < study.ways.length; second++)
      pairs.push({ photo, sides: shuffled([first, second]) });
const order = shuffled(pairs), answers = [];
let stopped = false, saved = false;
// Wilson's interval at 95 % of a share of `count` answers.
function interval(wins, count) {
  if (!count) return [0, 1];
  const z = 1.959964, share = wins / count, scale = 1 + z * z / count;
  const middle = (share + z * z / (2 * count)) / scale;
  const half = z * Math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale;
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}
function show() {
  const at = stopped ? undefined : order[answers.length];
  element("asking").hidden = !at;
  element("done").hidden = !!at;
  element("neither").hidden = !at;
  element("stop").hidden = !at || answers.length === 0;
  element("count").textContent = `${Math.min(answers.length + 1, order.length)} of ${order.length}`;
  element("progress").max = order.length;
  element("progress").value = answers.length;
  element("back").disabled = answers.length === 0;
  if (!at) return report();
  element("left").src = at.photo.pictures[at.sides[0]];
  element("right").src = at.photo.pictures[at.sides[1]];
  element("photo").src = at.photo.photo;
}
function choose(winner) {
  const at = order[answers.length];
  if (!at || stopped) return;
  saved = false;
  answers.push({ photo: at.photo.name, left: study.ways[at.sides[0]], right: study.ways[at.sides[1]],
    preferred: winner === null ? null : study.ways[at.sides[winner]] });
  show();
}
function back() {
  if (stopped) stopped = false;
  else answers.pop();
  show();
}
function results() {
  const rows = [];
  for (let first = 0; first < study.ways.length; first++)
    for (let second = first + 1; second < study.ways.length; second++) {
      const [one, other] = [study.ways[first], study.ways[second]];
      const asked = answers.filter(a => [a.left, a.right].includes(one) && [a.left, a.right].includes(other));
      const wins = asked.filter(a => a.preferred === one).length, losses = asked.filter(a => a.preferred === other).length;
      rows.push({ first: one, second: other, first_preferred: wins, second_preferred: losses,
        undecided: asked.length - wins - losses, first_share: wins + losses ? wins / (wins + losses) : null,
        interval_95: interval(wins, wins + losses) });
    }
  return rows;
}
// Both pictures of an answer with their names, the preferred one framed.
function revealed(answer, at) {
  const both = document.createElement("div");
  both.className = "both";
  for (const side of at.sides) {
    const figure = document.createElement("figure"), way = study.ways[side];
    const caption = Object.assign(document.createElement("figcaption"), { textContent: way });
    figure.append(Object.assign(document.createElement("img"), { src: at.photo.pictures[side], alt: way }), caption);
    figure.classList.toggle("preferred", answer.preferred === way);
    both.append(figure);
  }
  return both;
}
function report() {
  const body = element("results");
  body.replaceChildren();
  for (const row of results()) {
    const share = row.first_share === null ? "no answer" :
      `${(100 * row.first_share).toFixed(0)} % (${row.interval_95.map(end => (100 * end).toFixed(0)).join(" to ")} %)`;
    const cells = [`${row.first} or ${row.second}`, row.first_preferred, row.second_preferred, row.undecided, share];
    body.append(document.createElement("tr"));
    for (const cell of cells) body.lastChild.append(Object.assign(document.createElement("td"), { textContent: cell }));
  }
  element("answers").replaceChildren(...answers.map((answer, number) => revealed(answer, order[number])));
  const text = JSON.stringify({ title: study.title, answers, results: results() }, null, 2);
  const link = element("save");
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
}
element("choose-left").addEventListener("click", () => choose(0));
element("choose-right").addEventListener("click", () => choose(1));
element("neither").addEventListener("click", () => choose(null));
element("back").addEventListener("click", back);
element("stop").addEventListener("click", () => { stopped = true; show(); });
element("save").addEventListener("click", () => { saved = true; });
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = { ArrowLeft: () => choose(0), ArrowRight: () => choose(1), ArrowDown: () => choose(null), Backspace: back };
  if (!keys[event.key] || (!element("done").hidden && event.key !== "Backspace")) return;
  event.preventDefault();
  keys[event.key]();
});
// Answers are nowhere but on this page.
window.addEventListener("beforeunload", event => { if (answers.length && !saved) event.preventDefault(); });
show();
