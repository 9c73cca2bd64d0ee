// The configuration, from environment variables, checked once at the start: each mistake is one line then.

import { z } from 'zod';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** A token that can be guessed protects nothing. */
const SHORTEST_TOKEN = 16;

const variables = z.object({
  PORT: integer(3_000, 0, 65_535),
  HOST: z.string().optional(),
  BODY_LIMIT_BYTES: integer(100 * 1024, 0, 2 ** 30),
  REQUEST_TIMEOUT_MS: integer(30_000, 100, 3_600_000),
  TRUST_PROXY: z.string().optional(),
  LOG_LEVEL: oneOf(LOG_LEVELS, 'info'),
  LOG_FORMAT: oneOf(['json', 'ecs'], 'json'),
  DATABASE_URL: urlOf('postgres', 'postgresql'),
  REDIS_URL: urlOf('redis', 'rediss'),
  OPS_TOKEN: z
    .string()
    .min(SHORTEST_TOKEN, {
      error: ({ input }) =>
        `must have at least ${SHORTEST_TOKEN} characters, has ${String(input).length} (openssl rand -hex 32)`,
    })
    .optional(),
  OPS_HOST: z.string().default('127.0.0.1'),
  OPS_PORT: integer(9_700, 1, 65_535),
  OPS_PUBLIC: oneOf(['true', 'false'], 'false'),
  OPS_FOLDER: z.string().default('var/ops'),
  // PM2 sets these three.
  NODE_APP_INSTANCE: integer(0, 0, 10_000),
  pm_id: z.string().optional(),
  name: z.string().optional(),
});

export interface Config {
  /** What logs and metrics call the service. */
  name: string;
  /** Which of the workers this is: PM2 counts them from 0. */
  instance: number;
  port: number;
  /** Address to listen on; all of them without one. */
  host: string | undefined;
  /** Largest request body. */
  bodyLimitBytes: number;
  /** How long a client may take to send a whole request. */
  requestTimeoutMs: number;
  /** Whose X-Forwarded-For is believed (`app.set('trust proxy', …)` of Express); no client's without it. */
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
  /** Whether they are on the public port, too. */
  public: boolean;
  /** For heap dumps and profiles. */
  folder: string;
}

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Says all that is wrong with the environment; each line names the variable, what it must be and what it is. */
export class ConfigError extends Error {}

/**
 * @param env the environment of the process
 * @throws {ConfigError}
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  // A variable that is set to nothing is not set.
  const set = Object.entries(env).flatMap(([name, value]) => (value?.trim() ? [[name, value.trim()]] : []));
  const { success, data, error } = variables.safeParse(Object.fromEntries(set));
  if (!success)
    throw new ConfigError(error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('\n'));
  const opsPort = data.OPS_PORT + data.NODE_APP_INSTANCE;
  if (data.OPS_TOKEN !== undefined && opsPort > 65_535)
    throw new ConfigError(
      `OPS_PORT plus the number of the instance (${data.NODE_APP_INSTANCE}) must be at most 65535, is ${opsPort}`,
    );
  return {
    name: (data.pm_id === undefined ? undefined : data.name) ?? 'app-template',
    instance: data.NODE_APP_INSTANCE,
    port: data.PORT,
    host: data.HOST,
    bodyLimitBytes: data.BODY_LIMIT_BYTES,
    requestTimeoutMs: data.REQUEST_TIMEOUT_MS,
    trustProxy: data.TRUST_PROXY,
    logLevel: data.LOG_LEVEL,
    logFormat: data.LOG_FORMAT,
    databaseUrl: data.DATABASE_URL,
    redisUrl: data.REDIS_URL,
    ops:
      data.OPS_TOKEN === undefined
        ? undefined
        : {
            token: data.OPS_TOKEN,
            host: data.OPS_HOST,
            port: opsPort,
            public: data.OPS_PUBLIC === 'true',
            folder: data.OPS_FOLDER,
          },
  };
}

function integer(standard: number, lowest: number, highest: number) {
  return z
    .string()
    .refine((text) => /^\d+$/.test(text) && Number(text) >= lowest && Number(text) <= highest, {
      error: ({ input }) => `must be an integer from ${lowest} to ${highest}, is ${JSON.stringify(input)}`,
    })
    .transform(Number)
    .default(standard);
}

function oneOf<const T extends readonly [string, ...string[]]>(allowed: T, standard: T[number]) {
  return z
    .enum(allowed, { error: ({ input }) => `must be one of ${allowed.join(', ')}, is ${JSON.stringify(input)}` })
    .default(standard as never);
}

/** The message does not quote the value, which may hold a password. */
function urlOf(...protocols: string[]) {
  const begins = protocols.map((protocol) => `${protocol}://`).join(' or ');
  const protocol = new RegExp(`^(?:${protocols.join('|')})$`);
  return z.url({ protocol, error: `must be a URL that begins with ${begins}` }).optional();
}
