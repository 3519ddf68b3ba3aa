/* Server-sent events over fetch: EventSource can neither POST nor send a CSRF header. */

function parse(raw) {
  let name = "message";
  const data = [];
  for (const line of raw.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}

export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pending += value;
    const whole = pending.split(/\r?\n\r?\n/);
    pending = whole.pop();
    for (const raw of whole) {
      const event = parse(raw);
      if (event) yield event;
    }
  }
}
