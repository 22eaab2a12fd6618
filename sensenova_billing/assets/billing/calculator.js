// The calculator of the price page: asks POST /api/v1/estimates as one types, and shows the fields that the
// chosen service charges for. Without this file the same form is answered by the page itself.
(() => {
  const form = document.querySelector("form.calculator");
  if (!form) return;
  const services = JSON.parse(document.getElementById("calculator-services").textContent);
  const result = document.getElementById("estimate");
  const rows = result.querySelector("tbody");
  const total = document.getElementById("estimate-total");
  const error = document.getElementById("calculator-error");
  const status = document.getElementById("calculator-status");
  // The texts of this script, in the language of the page.
  const WORDS = JSON.parse(document.getElementById("calculator-words").textContent);
  const { measures: MEASURES, kinds: KINDS } = WORDS;
  const MOST = 2n ** 53n;
  const LONGEST = 18;
  const GROUPED = /^[1-9]\d{0,2}(?:([, \u00a0\u2009\u202f])\d{3})(?:\1\d{3})*$/;
  const WAIT = 250;
  let asking = null;
  let timer = 0;

  const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  const grouped = (digits) => {
    const [whole, fraction = ""] = digits.split(".");
    const thousands = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    return { thousands, fraction };
  };
  const amount = (digits) => {
    const { thousands, fraction } = grouped(digits);
    return `${thousands}.${fraction.padEnd(2, "0")}`;
  };

  const fit = () => {
    const charged = services[form.elements.service.value] ?? [];
    for (const place of form.querySelectorAll("[data-measure]")) {
      place.hidden = !charged.includes(place.dataset.measure);
      for (const field of place.querySelectorAll("input, textarea")) field.disabled = place.hidden;
    }
  };

  const mark = (name, reason) => {
    const field = form.elements[name];
    field?.setAttribute("aria-invalid", "true");
    field?.setAttribute("aria-errormessage", error.id);
    const label = MEASURES[name] ?? (name === "input_text" ? WORDS.text : "");
    error.textContent = label ? filled(WORDS.field, { field: label, reason }) : reason;
    error.hidden = false;
    result.hidden = true;
    status.textContent = "";
  };
  const unmark = () => {
    for (const field of form.elements) {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-errormessage");
    }
    // Errors of an earlier try that the server rendered.
    for (const stale of form.querySelectorAll(".error, .errors")) stale.remove();
    error.textContent = "";
    error.hidden = true;
  };

  // As sensenova_billing/lib/numbers.py reads it: the digits of a whole number, or why it is none.
  const read = (typed) => {
    if (/^[-\u2212]\s*\d/.test(typed)) return { reason: WORDS.negative };
    if (!/^\d+$/.test(typed) && !GROUPED.test(typed)) return { reason: WORDS.not_whole };
    const digits = typed.replace(/\D/g, "").replace(/^0+(?=\d)/, "");
    if (digits.length > LONGEST) return { reason: WORDS.too_long };
    return BigInt(digits) > MOST ? { reason: filled(WORDS.too_large, { limit_value: MOST }) } : { digits };
  };

  // The body as text: digits stay as they were typed and never become a floating-point number.
  // Returns null without an input, or a refusal.
  const readInput = () => {
    const fields = [];
    for (const name of Object.keys(MEASURES)) {
      const field = form.elements[name];
      const typed = field.value.trim();
      if (field.disabled || !typed) continue;
      const { digits, reason } = read(typed);
      if (reason) return { name, reason };
      fields.push(`${JSON.stringify(name)}:${digits}`);
    }
    const text = form.elements.input_text;
    if (!text.disabled && text.value) {
      if (form.elements.input_characters.value.trim()) {
        return { name: "input_text", reason: WORDS.twice };
      }
      fields.push(`"input_text":${JSON.stringify(text.value)}`);
    }
    if (!fields.length) return null;
    fields.unshift(`"service":${JSON.stringify(form.elements.service.value)}`);
    return { body: `{"usage":[{${fields.join(",")}}]}` };
  };

  const cell = (tag, text, kind = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const row = (line) => {
    const isFree = line.price_kind === "free_trial";
    const made = document.createElement("tr");
    const name = cell("th", MEASURES[line.billing_item]);
    name.scope = "row";
    const kind = document.createElement("td");
    const { label, badge } = KINDS[line.price_kind];
    kind.append(cell("span", label, `pill ${badge}`));
    made.append(
      name,
      cell("td", grouped(line.quantity).thousands, "number"),
      cell("td", isFree ? "\u2013" : amount(line.unit_price), "number"),
      cell("td", WORDS.units[line.unit] ?? line.unit, "unbroken"),
      kind,
      cell("td", isFree ? label : amount(line.amount), "number"),
    );
    return made;
  };
  const show = (estimate) => {
    rows.replaceChildren(...estimate.lines.map(row));
    total.textContent = amount(estimate.total);
    result.hidden = false;
    status.textContent = filled(WORDS.total, { amount: total.textContent });
  };

  const ask = async () => {
    asking?.abort();
    unmark();
    const question = readInput();
    if (question === null) {
      result.hidden = true;
      status.textContent = "";
      return;
    }
    if (question.reason) {
      mark(question.name, question.reason);
      return;
    }
    const mine = (asking = new AbortController());
    try {
      const answer = await fetch(form.dataset.estimates, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: question.body,
        credentials: "omit",
        signal: mine.signal,
      });
      if (answer.ok) {
        const estimate = await answer.json();
        if (!mine.signal.aborted) show(estimate);
      } else {
        // The API answers in English; the page itself says the same in its language.
        form.submit();
      }
    } catch (failure) {
      if (failure.name !== "AbortError") {
        mark("", WORDS.unanswered);
      }
    }
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  };

  form.elements.service.addEventListener("change", fit);
  fit();
  // At a customer's own prices the page itself answers.
  if (!form.dataset.estimates) return;
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    ask();
  });
})();
