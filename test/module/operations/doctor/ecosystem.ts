// Apps of an ecosystem file, in which advice can be followed: each has a copy of its script, and a port of its own.
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { untilServing } from '../../../../testkit/load.ts';
import type { Pm2 } from '../../../../testkit/pm2.ts';
import type { AppConfig } from '../../../../testkit/pm2Versions.ts';
import { freePort } from '../../../../testkit/wait-for.ts';

export interface Ecosystem {
  /** Adds apps to the file and starts them. */
  start(...apps: AppConfig[]): Promise<void>;
  /** Changes settings of an app in the file, and nothing else. */
  write(config: { name: string } & Record<string, unknown>): void;
  /** Replaces the script of an app by another one. */
  edit(name: string, script: string): void;
  /** The port that an app finds as PORT in its environment. */
  port(name: string): number;
  /** Waits until an app serves there. */
  answers(name: string): Promise<void>;
}

/** @param pm2 the file is `ecosystem.config.js` in the folder in which its shell works */
export function createEcosystem(pm2: Pm2): Ecosystem {
  const file = join(pm2.folder, 'ecosystem.config.js');
  const configs = new Map<string, AppConfig>();
  const ports = new Map<string, number>();
  const config = (name: string): AppConfig => configs.get(name) ?? { name, script: '' };
  const port = (name: string) => ports.get(name) ?? 0;

  return {
    async start(...apps) {
      const folder = join(pm2.folder, 'srv');
      mkdirSync(folder, { recursive: true });
      for (const each of apps) {
        const env = { PORT: await freePort() };
        ports.set(each.name, env.PORT);
        const script = join(folder, `${each.name}-${basename(each.script)}`);
        if (existsSync(each.script)) copyFileSync(each.script, script);
        write({ ...each, script: existsSync(each.script) ? script : each.script, env });
      }
      await pm2.ok('start', file, '--only', apps.map(({ name }) => name).join(','));
    },
    write,
    edit: (name, script) => copyFileSync(script, config(name).script),
    port,
    async answers(name) {
      await untilServing({ port: port(name), host: '127.0.0.1' });
    },
  };

  function write(changes: { name: string } & Record<string, unknown>): void {
    configs.set(changes.name, { ...config(changes.name), ...changes });
    writeFileSync(file, `module.exports = ${JSON.stringify({ apps: [...configs.values()] })}`);
  }
}
