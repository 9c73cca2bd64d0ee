// Reads what a person typed behind `pm2 trigger <app> <action>`: a JSON object or key=value pairs. Strict on purpose:
// a parameter that is silently ignored is a drain without its timeout.
import type { ParamSpec } from './actions/declaration.ts';
import { type ActionName, type ParamsOf, specsOf } from './actions/index.ts';
import { Refusal } from './errors.ts';

/** Values of an action's parameters after validation: every declared key is present. */
export type ParamValues = Record<string, boolean | number>;

/**
 * Validates an action's parameters.
 * @param raw what PM2 delivered: nothing, a string, or (over HTTP and the command line) an object
 * @returns every parameter the action declares, with its default where it was not given; times in the unit of their type
 * @throws {Refusal} E_PARAMS naming the parameter, what was expected and what was got
 */
export function parseParams<Name extends ActionName>(action: Name, raw: unknown): ParamsOf<Name> {
  const specs = specsOf(action);
  const values: ParamValues = {};
  for (const [name, spec] of Object.entries(specs)) values[name] = spec.default;
  for (const [name, value] of Object.entries(readPairs(action, raw))) {
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (!spec) throw bad(action, `${action} has no parameter "${name}"`);
    values[name] = convert(action, name, spec, value);
  }
  return values as ParamsOf<Name>;
}

function readPairs(action: ActionName, raw: unknown): Record<string, unknown> {
  if (raw === undefined || raw === null || raw === '') return {};
  if (typeof raw === 'object' && !Array.isArray(raw)) return raw as Record<string, unknown>;
  if (typeof raw !== 'string') throw bad(action, `parameters must be JSON or key=value pairs, got ${show(raw)}`);
  const text = raw.trim();
  if (text === '') return {};
  if (text.startsWith('{')) return readJson(action, text);
  const pairs: Record<string, unknown> = {};
  for (const word of text.split(/[\s,&]+/).filter(Boolean)) {
    const [, name, value] = /^([A-Za-z][\w-]*)=(.*)$/.exec(word) ?? [];
    if (name === undefined) throw bad(action, `parameters must be JSON or key=value pairs, got ${show(text)}`);
    if (Object.hasOwn(pairs, name)) throw bad(action, `parameter "${name}" is given twice`);
    pairs[name] = value;
  }
  return pairs;
}

function readJson(action: ActionName, text: string): Record<string, unknown> {
  try {
    // It starts with a brace, so what parses is an object.
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw bad(action, `parameters are not valid JSON (${(error as Error).message}): ${show(text)}`);
  }
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
