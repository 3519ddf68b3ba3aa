/* An answer's text as DOM nodes. What a model writes is never parsed as HTML, and its links lead nowhere. */

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*|\[(\d{1,3})\](?!\()|!?\[([^\]\n]*)\]\([^)\n]*\)/g;
const LIST_ITEM = /^\s{0,6}(?:[-*+]|(\d{1,3})[.)])\s+(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const FENCE = /^\s*(?:```|~~~)/;
const QUOTE = /^\s*>\s?(.*)$/;

function element(name, children = []) {
  const node = document.createElement(name);
  node.append(...children);
  return node;
}

function inline(text, cite) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, bold, emphasis, number, words] = match;
    nodes.push(text.slice(end, match.index));
    if (code !== undefined) nodes.push(element("code", [code]));
    else if (bold !== undefined) nodes.push(element("strong", inline(bold, cite)));
    else if (emphasis !== undefined) nodes.push(element("em", inline(emphasis, cite)));
    else if (number !== undefined) nodes.push(cite(Number(number)));
    else nodes.push(words);
    end = match.index + whole.length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

function withBreaks(lines, cite) {
  return lines.flatMap((line, place) => [...(place ? [element("br")] : []), ...inline(line, cite)]);
}

/* Takes the lines from `start` on that `belongs` accepts; answers with them and where they end. */
function takeWhile(lines, start, belongs) {
  let end = start;
  while (end < lines.length && belongs(lines[end])) end += 1;
  return [lines.slice(start, end), end];
}

function isPlain(line) {
  return line.trim() && !FENCE.test(line) && !HEADING.test(line) && !LIST_ITEM.test(line) && !QUOTE.test(line);
}

function list(lines, cite) {
  const first = LIST_ITEM.exec(lines[0]);
  const node = element(first[1] ? "ol" : "ul", lines.map((line) => element("li", inline(LIST_ITEM.exec(line)[2], cite))));
  if (first[1]) node.start = Number(first[1]);
  return node;
}

/* One block beginning at `at`, and the line after it. */
function block(lines, at, cite) {
  const line = lines[at];
  if (FENCE.test(line)) {
    const [code, end] = takeWhile(lines, at + 1, (next) => !FENCE.test(next));
    return [element("pre", [element("code", [code.join("\n")])]), end + 1];
  }
  if (HEADING.test(line)) return [element("p", [element("strong", inline(HEADING.exec(line)[1], cite))]), at + 1];
  if (LIST_ITEM.test(line)) {
    const isNumbered = Boolean(LIST_ITEM.exec(line)[1]);
    const [items, end] = takeWhile(lines, at, (next) => LIST_ITEM.test(next) && Boolean(LIST_ITEM.exec(next)[1]) === isNumbered);
    return [list(items, cite), end];
  }
  if (QUOTE.test(line)) {
    const [quoted, end] = takeWhile(lines, at, (next) => QUOTE.test(next));
    return [element("blockquote", withBreaks(quoted.map((next) => QUOTE.exec(next)[1]), cite)), end];
  }
  const [plain, end] = takeWhile(lines, at, isPlain);
  return [element("p", withBreaks(plain, cite)), end];
}

/* `cite(n)` makes the node that stands for [n]. */
export function renderAnswer(target, text, cite) {
  const lines = text.split("\n");
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const [node, end] = block(lines, at, cite);
    blocks.push(node);
    at = end;
  }
  target.replaceChildren(...blocks);
}
