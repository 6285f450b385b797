import { addresses } from "../api.js";
import { pValue, signed } from "../format.js";
import { html } from "../html.js";
import { armName } from "../run-words.js";

const row = ({ seed, won, lost, difference, low, high, p }) => html`
  <tr><th scope="row">Seed ${seed}</th><td>${won}</td><td>${lost}</td>
    <td>${signed(difference)}<small>${signed(low)} to ${signed(high)}</small></td><td>${pValue(p)}</td></tr>`;

const bySeed = ({ pairs }, { arm, reference }) => html`
  <div class="scroller" tabindex="0" role="group" aria-label="Images by seed"><table class="matrix">
    <thead><tr><th scope="col"><span class="visually-hidden">Seed</span></th>
      <th scope="col">Only ${armName(arm)} right</th><th scope="col">Only ${armName(reference)} right</th>
      <th scope="col">Difference</th><th scope="col">McNemar's p</th></tr></thead>
    <tbody>${pairs.map(row)}</tbody></table></div>`;

/** How many networks of each arm guess it right; the picture is of a run that guesses it wrong. */
const picture = (image, seeds, { arm, reference }) => html`
  <li class="thumb"><img class="thumb__image" src="${addresses.validationImage(image.run, image.index)}" loading="lazy"
      width="72" height="72" alt="Validation image ${image.index}, class ${image.label}" title="${image.name ?? `validation image ${image.index}`}">
    <span class="thumb__label">${image.label}</span>
    <small>${armName(arm)} ${image.right}/${seeds}<br>${armName(reference)} ${image.reference_right}/${seeds}</small></li>`;

const pictures = (title, images, seeds, contrast) =>
  images.length
    ? html`<h4 class="thumbs__title">${title}</h4>
      <ul class="thumbs">${images.map((image) => picture(image, seeds, contrast))}</ul>`
    : "";

function section(contrast, isOnly) {
  const { images, images_left_out: leftOut, arm, reference } = contrast;
  const seeds = images?.seeds.length;
  return html`
    <div class="images__arm" data-testid="images-of-arm">
      ${isOnly ? "" : html`<h3 class="images__title">${armName(arm)} against ${armName(reference)}</h3>`}
      ${images ? html`<ul class="verdict__sentences">${images.sentences.map((text) => html`<li>${text}</li>`)}</ul>` : ""}
      ${leftOut.length ? html`<p class="hint">Not compared image by image: ${leftOut.join("; ")}.</p>` : ""}
      ${images ? bySeed(images, contrast) : ""}
      ${images ? pictures(`Most often right with ${armName(arm)} alone`, images.most_won, seeds, contrast) : ""}
      ${images ? pictures(`Most often right with ${armName(reference)} alone`, images.most_lost, seeds, contrast) : ""}
    </div>`;
}

/** The arms image by image; nothing where no run has kept its predictions. */
export function images(found) {
  const contrasts = found?.contrasts ?? [];
  if (!contrasts.some((contrast) => contrast.images)) return "";
  return html`
    <section class="panel images" aria-labelledby="images-title" data-testid="images">
      <h2 id="images-title" class="section-title">Images won and lost</h2>
      ${contrasts.map((contrast) => section(contrast, contrasts.length === 1))}</section>`;
}
