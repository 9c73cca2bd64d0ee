// Reads parameters, which a person types after `pm2 trigger APP ACTION` or the command, or a script passes: a JSON object or
// key=value pairs. It is strict on purpose: a mistyped parameter that is silently ignored could mean a drain without its timeout.
import type { ParamSpec } from './actions/declaration.ts';
import { type ActionName, type ParamsOf, specsOf } from './actions/index.ts';
import { Refusal } from './errors.ts';

/** The values of an action's parameters after validation: every declared key is present. */
export type ParamValues = Record<string, boolean | number>;

/** The values of an action's parameters contain neither spaces nor commas. */
const BETWEEN_VALUES = /[\s,&]+/;

/** Reads one `key=value`; undefined if the text is none. */
export function readPair(text: string): [name: string, value: string] | undefined {
  const [, name, value] = /^([A-Za-z][\w-]*)=(.*)$/s.exec(text) ?? [];
  return name === undefined || value === undefined ? undefined : [name, value];
}

/**
 * Reads parameters of any action.
 * @param raw nothing, an object, or a text: a JSON object or pairs
 * @param separator what separates two pairs
 * @param bare the parameter whose value a text begins with, if it does not begin with a pair
 * @returns the parameters, or what is wrong with them
 */
export function readParams(raw: unknown, separator: RegExp, bare?: string): Record<string, unknown> | string {
  if (raw === undefined || raw === null) return {};
  if (typeof raw === 'object' && !Array.isArray(raw)) return raw as Record<string, unknown>;
  const isText = typeof raw === 'string' || (bare !== undefined && typeof raw !== 'object');
  const text = isText ? String(raw).trim() : '';
  if (!isText) return notUnderstood(raw);
  if (text.startsWith('{')) return readJson(text);
  const params: Record<string, unknown> = {};
  for (const [index, piece] of text.split(separator).filter(Boolean).entries()) {
    const pair = readPair(piece) ?? (index === 0 && bare !== undefined ? [bare, piece] : undefined);
    if (!pair) return notUnderstood(text);
    const [name, value] = pair;
    if (Object.hasOwn(params, name)) return `parameter "${name}" is given twice`;
    params[name] = value;
  }
  return params;
}

/**
 * Validates an action's parameters.
 * @param raw a text from `pm2 trigger`, or an object from the command
 * @returns every parameter that the action declares, given or default; times in the unit of their type
 * @throws {Refusal} E_PARAMS with the parameter, what was expected, and what was given
 */
export function parseParams<Name extends ActionName>(action: Name, raw: unknown): ParamsOf<Name> {
  const specs = specsOf(action);
  const values: ParamValues = {};
  for (const [name, spec] of Object.entries(specs)) values[name] = spec.default;
  const given = readParams(raw, BETWEEN_VALUES);
  if (typeof given === 'string') throw bad(action, given);
  for (const [name, value] of Object.entries(given)) {
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (!spec) throw bad(action, `${action} has no parameter "${name}"`);
    values[name] = convert(action, name, spec, value);
  }
  return values as ParamsOf<Name>;
}

function readJson(text: string): Record<string, unknown> | string {
  try {
    // The text starts with a brace, so if it parses, it is an object.
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    return `parameters are not valid JSON (${(error as Error).message}): ${show(text)}`;
  }
}

function notUnderstood(raw: unknown): string {
  return `parameters must be JSON or key=value pairs, got ${show(raw)}`;
}

function convert(action: ActionName, name: string, spec: ParamSpec, value: unknown): boolean | number {
  if (spec.type === 'boolean') {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    throw bad(action, `${name} must be true or false, got ${show(value)}`);
  }
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = spec;
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max) {
    throw bad(action, `${name} must be a whole number of ${spec.type} from ${min} to ${max}, got ${show(value)}`);
  }
  return number;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function bad(action: ActionName, message: string): Refusal {
  const names = Object.entries(specsOf(action));
  const known = names.map(([name, { type, default: standard }]) => `${name}=${standard} (${type})`).join(', ');
  return new Refusal(
    'E_PARAMS',
    message,
    names.length === 0
      ? `${action} takes no parameters; nothing was changed`
      : `${action} takes ${known}; nothing was changed`,
  );
}
