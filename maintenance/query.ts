// The parameters of a route, from the query of its URL. Strict on purpose: a parameter that is silently ignored is a dump
// without its compression.
import { Refusal } from '../contract/errors.ts';

/** What a route takes: a flag, or a whole number within bounds. */
export type Parameter = { default: boolean } | { default: number; min: number; max: number };

type Values<P extends Record<string, Parameter>> = {
  [N in keyof P]: P[N]['default'] extends boolean ? boolean : number;
};

/** @throws {Refusal} E_PARAMS naming the parameter, what was expected and what was got */
export function readQuery<P extends Record<string, Parameter>>(query: URLSearchParams, parameters: P): Values<P> {
  const values: Record<string, boolean | number> = {};
  for (const [name, parameter] of Object.entries(parameters)) values[name] = parameter.default;
  for (const [name, text] of query) {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (parameter === undefined) throw bad(`there is no parameter ${JSON.stringify(name)}`, parameters);
    if (query.getAll(name).length > 1) throw bad(`parameter ${JSON.stringify(name)} is given twice`, parameters);
    values[name] = 'min' in parameter ? wholeNumber(name, text, parameter) : flag(name, text);
  }
  return values as Values<P>;
}

function flag(name: string, text: string): boolean {
  if (text !== 'true' && text !== 'false') throw bad(`${name} must be true or false, got ${JSON.stringify(text)}`);
  return text === 'true';
}

function wholeNumber(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw bad(`${name} must be a whole number from ${min} to ${max}, got ${JSON.stringify(text)}`);
}

function bad(message: string, parameters?: object): Refusal {
  const names = Object.keys(parameters ?? {}).join(', ');
  const known = names === '' ? 'correct it' : `parameters here: ${names}`;
  return new Refusal('E_PARAMS', message, `${known}, and ask again`);
}
