// The configuration, from environment variables, checked once at the start: a mistake is said then, in one line for each.

export interface Config {
  /** What logs and metrics call the service. */
  name: string;
  /** Which of the workers this is: PM2 counts them from 0. */
  instance: number;
  port: number;
  /** Address to listen on; all of them without one. */
  host: string | undefined;
  /** Largest request body, in bytes. */
  bodyLimitBytes: number;
  /** How long a client may take to send a whole request, in milliseconds. */
  requestTimeoutMs: number;
  /** From whom X-Forwarded-For is believed (`app.set('trust proxy', …)` of Express): nobody without it. */
  trustProxy: string | undefined;
  logLevel: LogLevel;
  /** `json`, or `ecs` for Elastic Common Schema, which Filebeat takes as it is. */
  logFormat: 'json' | 'ecs';
  databaseUrl: string | undefined;
  redisUrl: string | undefined;
  /** The maintenance routes; there are none without a token. */
  ops: OpsConfig | undefined;
}

export interface OpsConfig {
  token: string;
  host: string;
  /** This worker's own: OPS_PORT plus its number. */
  port: number;
  /** On the public port, too? */
  public: boolean;
}

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A token that can be guessed protects nothing. */
const SHORTEST_TOKEN = 16;

/** What is wrong with the environment; each line names the variable, what it allows and what it is. */
export class ConfigError extends Error {}

/**
 * @param env the environment of the process
 * @throws {ConfigError} with all that is wrong
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const wrong: string[] = [];
  const text = (name: string) => env[name]?.trim() || undefined;
  const integer = (name: string, fallback: number, lowest: number, highest: number) => {
    const given = text(name);
    if (given === undefined) return fallback;
    if (/^\d+$/.test(given) && Number(given) >= lowest && Number(given) <= highest) return Number(given);
    wrong.push(`${name} must be an integer from ${lowest} to ${highest}, is ${JSON.stringify(given)}`);
    return fallback;
  };
  const oneOf = <T extends string>(name: string, allowed: readonly T[], fallback: T): T => {
    const given = text(name) ?? fallback;
    const found = allowed.find((value) => value === given);
    if (found === undefined) wrong.push(`${name} must be one of ${allowed.join(', ')}, is ${JSON.stringify(given)}`);
    return found ?? fallback;
  };
  // Its value may hold a password, so it is not quoted.
  const url = (name: string, protocols: string[]) => {
    const given = text(name);
    if (given !== undefined && !(URL.canParse(given) && protocols.includes(new URL(given).protocol)))
      wrong.push(`${name} must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`);
    return given;
  };
  const token = text('OPS_TOKEN');
  if (token !== undefined && token.length < SHORTEST_TOKEN)
    wrong.push(`OPS_TOKEN must have at least ${SHORTEST_TOKEN} characters, has ${token.length} (openssl rand -hex 32)`);

  const instance = integer('NODE_APP_INSTANCE', 0, 0, 10_000);
  const opsPort = integer('OPS_PORT', 9_700, 1, 65_535) + instance;
  const config: Config = {
    name: (env.pm_id === undefined ? undefined : text('name')) ?? 'app-template',
    instance,
    port: integer('PORT', 3_000, 0, 65_535),
    host: text('HOST'),
    bodyLimitBytes: integer('BODY_LIMIT_BYTES', 100 * 1024, 0, 2 ** 30),
    requestTimeoutMs: integer('REQUEST_TIMEOUT_MS', 30_000, 100, 3_600_000),
    trustProxy: text('TRUST_PROXY'),
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    logFormat: oneOf('LOG_FORMAT', ['json', 'ecs'], 'json'),
    databaseUrl: url('DATABASE_URL', ['postgres:', 'postgresql:']),
    redisUrl: url('REDIS_URL', ['redis:', 'rediss:']),
    ops:
      token === undefined
        ? undefined
        : {
            token,
            host: text('OPS_HOST') ?? '127.0.0.1',
            port: opsPort,
            public: oneOf('OPS_PUBLIC', ['true', 'false'], 'false') === 'true',
          },
  };
  if (token !== undefined && opsPort > 65_535)
    wrong.push(`OPS_PORT plus the number of the instance (${instance}) must be at most 65535, is ${opsPort}`);
  if (wrong.length > 0) throw new ConfigError(wrong.join('\n'));
  return config;
}
