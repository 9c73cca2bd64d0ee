// The module's settings: `pm2 set pm2-ops:KEY VALUE`. The module reads them from PM2's own file, because a key that was unset
// stays in the environment. The defaults are here, because PM2 copies those of a package.json once and never updates them.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { isAbsolute, join } from 'node:path';
import * as z from 'zod/mini';
import { NAME } from '../../contract/names.ts';
import type { Settings } from '../../contract/settings.ts';

const onOff = z.enum(['on', 'off']);
/** Only commas separate names, because a name may contain spaces. */
const globs = z.pipe(
  z.string(),
  z.transform((text) =>
    text
      .split(',')
      .map((glob) => glob.trim())
      .filter(Boolean),
  ),
);

const UNITS: Record<string, number> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes, with or without a unit: 2147483648, 500MB, 2GiB. */
const bytes = z.pipe(
  z.string().check(z.regex(/^\d+(\.\d+)?\s*([kmgt]i?b?|b)?$/i)),
  z.transform((text) => {
    const [, amount, unit] = /^([\d.]+)\s*([a-z]?)/i.exec(text) ?? [];
    return Math.floor(Number(amount) * (UNITS[unit?.toLowerCase() ?? ''] ?? 1));
  }),
);
const wholeNumber = (min: number, max: number) =>
  z.pipe(
    z.string().check(z.regex(/^\d+$/)),
    z.pipe(
      z.transform((text: string) => Number(text)),
      z.number().check(z.minimum(min), z.maximum(max)),
    ),
  );
/** An exit with its lines and figures has some 20 KiB. */
const LEAST_RECORD_BYTES = 4 * 2 ** 20;
/** An absolute URL of a web server; empty for none. */
const webUrl = z.string().check(z.refine((text) => text === '' || urlOf(text) !== undefined));
const absolutePath = z.string().check(z.refine((text) => text === '' || (isAbsolute(text) && !text.includes('\0'))));
const host = z.string().check(z.refine((text) => text === 'localhost' || isIP(text) !== 0));

/** Every setting: how to read it, its form in words, and the default. */
const SETTINGS = {
  attach: { schema: z.enum(['live', 'off']), form: 'live or off', standard: 'live' },
  include: { schema: globs, form: 'app names or globs, separated by commas', standard: '*' },
  exclude: { schema: globs, form: 'app names or globs, separated by commas', standard: '' },
  graceful: { schema: z.enum(['auto', 'off']), form: 'auto or off', standard: 'auto' },
  door: { schema: z.enum(['auto', 'off']), form: 'auto or off', standard: 'auto' },
  door_seconds: { schema: wholeNumber(1, 3_600), form: 'a whole number from 1 to 3600', standard: '30' },
  port: { schema: wholeNumber(1, 65_535), form: 'a port from 1 to 65535', standard: '9616' },
  host: { schema: host, form: 'an IP address or localhost', standard: '127.0.0.1' },
  dump_keep: { schema: wholeNumber(1, 10_000), form: 'a whole number from 1 to 10000', standard: '5' },
  dump_max_bytes: { schema: bytes, form: 'bytes, such as 2147483648, 500MB or 2GiB', standard: '2GiB' },
  record_max_bytes: {
    schema: z.pipe(bytes, z.number().check(z.minimum(LEAST_RECORD_BYTES))),
    form: 'bytes, at least 4MiB, such as 64MiB',
    standard: '64MiB',
  },
  http_dumps: { schema: onOff, form: 'on or off', standard: 'off' },
  repl: { schema: onOff, form: 'on or off', standard: 'off' },
  alert_url: { schema: webUrl, form: 'a URL that begins with https:// or http://', standard: '', isSecret: true },
  alert_format: { schema: z.enum(['json', 'slack']), form: 'json or slack', standard: 'json' },
  alert_exec: { schema: absolutePath, form: 'the absolute path of a program', standard: '' },
  alert_severity: {
    schema: z.enum(['info', 'warning', 'critical']),
    form: 'info, warning or critical',
    standard: 'warning',
  },
  alert_repeat_minutes: { schema: wholeNumber(1, 10_080), form: 'a whole number from 1 to 10080', standard: '240' },
} as const satisfies {
  [Key in keyof Settings]: { schema: z.ZodMiniType<Settings[Key]>; form: string; standard: string; isSecret?: true };
};

export interface ReadSettings {
  /** The settings in force, to be shown to anybody who asks. */
  settings: Settings;
  /** For each that was refused a line with the value, the allowed form and the default in its place. */
  refused: string[];
  /** The whole of `alert_url`, a secret; absent if it is not set. */
  alertUrl?: URL;
}

/**
 * Reads the settings in force.
 * @param pm2Home the daemon's PM2_HOME
 */
export function readSettings(pm2Home: string): ReadSettings {
  const file = join(pm2Home, 'module_conf.json');
  let given: unknown;
  try {
    given = (JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)[NAME];
  } catch (error) {
    // PM2 makes the file with the first `pm2 set`.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      return {
        settings: validate({}).settings,
        refused: [`${file} cannot be read (${(error as Error).message}): defaults are used`],
      };
    }
  }
  return validate(typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {});
}

/** Validates settings as PM2 stores them (strings, or what `JSON.parse` made of them). */
export function validate(given: Record<string, unknown>): ReadSettings {
  const refused: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const [key, { schema, form, standard, ...rest }] of Object.entries(SETTINGS)) {
    settings[key] = schema.parse(standard);
    const value = given[key];
    if (value === undefined || value === null) continue;
    const result = schema.safeParse(String(value).trim());
    if (result.success) settings[key] = result.data;
    else
      refused.push(
        `setting ${NAME}:${key} refused: ${'isSecret' in rest ? 'its value' : JSON.stringify(value)} is not ${form}; the default is used: ${standard || '(none)'}`,
      );
  }
  const unknown = Object.keys(given).filter((key) => !Object.hasOwn(SETTINGS, key));
  for (const key of unknown) {
    refused.push(
      `setting ${NAME}:${key} refused: there is no such setting; there are ${Object.keys(SETTINGS).join(', ')}`,
    );
  }
  const alertUrl = urlOf(String(settings.alert_url));
  return {
    settings: { ...(settings as unknown as Settings), alert_url: alertUrl ? shownUrl(alertUrl) : '' },
    refused,
    ...(alertUrl ? { alertUrl } : {}),
  };
}

function urlOf(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url : undefined;
}

/** A URL without what may be a secret: a password, the path of a webhook, its query. */
function shownUrl({ protocol, host: where }: URL): string {
  return `${protocol}//${where}/…`;
}

/** Does a name match one of the globs? `*` stands for any characters, `?` for any one. */
export function matches(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const source = pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    return new RegExp(`^${source}$`, 'su').test(name);
  });
}

/**
 * Does `exclude` name this app? A pattern with spaces that matches no app counts as several names, because 0.1 took spaces for
 * separators: an app that such a setting has protected stays protected.
 * @param names the names of all apps
 */
export function isExcluded(name: string, patterns: readonly string[], names: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const isOne = !/\s/.test(pattern) || names.some((each) => matches(each, [pattern]));
    return matches(name, isOne ? [pattern] : pattern.split(/\s+/));
  });
}
