/** Text that stands where a secret will be: an example, a reference to a variable, a mask. */

const WORDS =
  /example|sample|place[-_ ]?holder|change[-_ ]?me|replace[-_ ]?(?:me|this|with)|your[-_ ]|my[-_](?:secret|token|key|pass)|dumm(?:y|ies)|insert|redacted|to[-_ ]?do|fix[-_ ]?me|not[-_ ]?a[-_ ]?(?:real|secret)|fak(?:e|ed)|test[-_]?(?:token|key|secret|password)|lor(?:em)|^(?:none|null|undefined|true|false|string|secret|password|passwd|token|changeit|letmein)$/i;

/** `${X}`, `$X`, `{{ x }}`, `<x>`, `%X%`, `@x@`, `[x]`: somebody fills it in later. */
const REFERENCE = /^\$|\$\{|\$\(|\{\{|^<.*>$|^%[^%]+%$|^@[^@]+@$|^\[.*\]$|^\{[^{}]*\}$/;

/** `a.b.c`, `x()`, `process.env.X`: code that gets it. */
const EXPRESSION =
  /^[A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$][\w$]*)+(?:\(.*)?$|\(.*\)$|^(?:process|os|env|secrets|vars|config)\b/;

/** A few characters again and again: xxxxx, *****, 0000, 1234567890, abcdefgh. */
function isFiller(text: string): boolean {
  if (new Set(text.toLowerCase()).size <= 3) return true;
  return "01234567890123456789".includes(text) || "abcdefghijklmnopqrstuvwxyzabcdef".includes(text.toLowerCase());
}

/** @returns whether `text` is no secret, whatever the name that it is assigned to. */
export function isStandIn(text: string): boolean {
  return WORDS.test(text) || REFERENCE.test(text) || EXPRESSION.test(text) || isFiller(text);
}
