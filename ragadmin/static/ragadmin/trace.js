/* Shows the stored answer as the playground does. Without this file it stands there as plain text. */

import { renderAnswer } from "./answer.js";

function citeNode(number) {
  if (!document.getElementById(`source-${number}`)) return `[${number}]`;
  const link = document.createElement("a");
  link.className = "cite";
  link.href = `#source-${number}`;
  link.textContent = `[${number}]`;
  return link;
}

const answer = document.querySelector("[data-answer]");
if (answer) renderAnswer(answer, answer.dataset.answer, citeNode);
