"use strict";
// Sliders: the restyled picture is cut open from the left, so that the photo shows there. Without this script, and on
// paper, the pictures stand side by side.
document.body.classList.add("live");
for (const figure of document.querySelectorAll("figure[data-photo]")) {
  const pair = figure.querySelector(".pair"), after = pair.querySelector(".after");
  const slider = pair.querySelector("input"), caption = figure.querySelector(".caption");
  const picture = way => figure.querySelector(`.all img[data-way="${way}"]`).src;
  pair.querySelector(".before").src = picture("original");
  after.src = picture("network");
  slider.addEventListener("input", () => pair.style.setProperty("--cut", slider.value + "%"));
  for (const button of figure.querySelectorAll("button[data-source]")) {
    button.addEventListener("click", () => {
      after.src = picture(button.dataset.source);
      after.alt = button.textContent;
      caption.textContent = button.dataset.caption;
      for (const other of figure.querySelectorAll("button[data-source]"))
        other.setAttribute("aria-pressed", String(other === button));
    });
  }
  figure.querySelector("button.zoom").addEventListener("click", () => {
    const dialog = document.querySelector("dialog"), ratio = window.devicePixelRatio || 1;
    const shown = { restyled: after, original: pair.querySelector(".before") };
    for (const [name, from] of Object.entries(shown)) {
      const image = dialog.querySelector("." + name);
      image.onload = () => { image.style.width = image.naturalWidth / ratio + "px"; };
      image.src = from.src;
      image.alt = from.alt;
    }
    dialog.showModal();
  });
}
document.querySelector("dialog").addEventListener("click", event => event.currentTarget.close());
// The frontier: the nearest point's values follow the pointer.
const chart = document.querySelector("svg.chart"), hover = document.getElementById("hover");
chart.addEventListener("pointermove", event => {
  const points = [...chart.querySelectorAll("circle")].map(point => {
    const box = point.getBoundingClientRect();
    return { point, far: Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY) };
  });
  const nearest = points.reduce((best, one) => (one.far < best.far ? one : best));
  hover.hidden = nearest.far > 60;
  hover.textContent = nearest.point.querySelector("title").textContent;
  hover.style.left = Math.min(event.clientX + 14, innerWidth - hover.offsetWidth - 8) + "px";
  hover.style.top = event.clientY + 16 + "px";
});
chart.addEventListener("pointerleave", () => { hover.hidden = true; });
