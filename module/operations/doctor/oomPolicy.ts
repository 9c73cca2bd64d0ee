// Finds a unit of systemd that stops PM2 with all apps when the kernel kills one of them for memory (Unitech/pm2#5941). systemd does
// so by default (systemd.service(5), OOMPolicy), which is meant for services of one process.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { read } from '../../../shared/linux/proc.ts';
import { shellWord } from '../../../shared/text/shell.ts';
import type { Check, Found } from './finding.ts';

/** Where systemd looks for units, the first that has one counts; drop-ins count in all of them (systemd.unit(5)). */
const UNIT_FOLDERS = [
  'etc/systemd/system',
  'run/systemd/system',
  'usr/local/lib/systemd/system',
  'usr/lib/systemd/system',
];

export const OOM_POLICY_CHECK: Check = {
  name: 'oom-policy',
  look: ({ daemonPid }) => lookForOomPolicy(daemonPid, '/'),
};

/**
 * @param daemonPid of PM2's daemon
 * @param root the folder that `proc` and `etc` are in; `/` except for tests
 */
export function lookForOomPolicy(daemonPid: number, root: string): Found[] {
  const unit = unitOf(read(join(root, `proc/${daemonPid}/cgroup`)) ?? '');
  const settings = unit === undefined ? undefined : settingsOf(unit, root);
  if (unit === undefined || !settings) return [];
  const policy = settings.get('OOMPolicy') ?? (isOn(settings.get('Delegate')) ? 'continue' : defaultPolicy(root));
  if (policy === 'continue') return [];
  const folder = shellWord(join(root, 'etc/systemd/system', `${unit}.d`));
  return [
    {
      severity: 'warning',
      what: `the kernel may kill one app for memory, and systemd then stops PM2 with all apps: OOMPolicy of ${unit} is ${policy}`,
      type: [
        `mkdir -p ${folder} && printf '[Service]\\nOOMPolicy=continue\\n' > ${folder}/pm2-ops.conf`,
        'systemctl daemon-reload',
      ],
      say: 'as root; nothing is restarted by that',
    },
  ];
}

/** The system's service whose cgroup this is. Only on cgroup v2 does systemd hear of the kernel's kills. */
function unitOf(cgroup: string): string | undefined {
  const path = /^0::(\/.*)$/m.exec(cgroup)?.[1] ?? '';
  const unit = basename(path);
  // `user@1000.service` is the parent of a user's own units, which are not in the system's folders.
  return unit.endsWith('.service') && !path.includes('/user@') ? unit : undefined;
}

/** The settings of a unit, its drop-ins included; undefined if no folder has it. */
function settingsOf(unit: string, root: string): Map<string, string> | undefined {
  const folders = UNIT_FOLDERS.map((each) => join(root, each));
  // An instance of a template, `pm2@web.service`, has its settings in `pm2@.service`.
  const names = [unit, unit.replace(/@.*(?=\.service$)/, '@')];
  const main = names.flatMap((name) => folders.map((folder) => read(join(folder, name)))).find((text) => text !== null);
  if (main === undefined || main === null) return undefined;
  return keysIn([main, ...dropIns(names.flatMap((name) => folders.map((folder) => join(folder, `${name}.d`))))]);
}

/** DefaultOOMPolicy of systemd-system.conf(5). */
function defaultPolicy(root: string): string {
  const file = join(root, 'etc/systemd/system.conf');
  return keysIn([read(file) ?? '', ...dropIns([`${file}.d`])]).get('DefaultOOMPolicy') ?? 'stop';
}

/** The texts of all `*.conf` in these folders, by their names; of two with one name, that of the first folder. */
function dropIns(folders: readonly string[]): string[] {
  const files = new Map<string, string>();
  for (const folder of folders) {
    for (const name of namesIn(folder))
      if (name.endsWith('.conf') && !files.has(name)) files.set(name, join(folder, name));
  }
  return [...files.keys()].sort().map((name) => read(files.get(name) ?? '') ?? '');
}

/** `key=value` lines; the last one counts, and an empty value takes it back. */
function keysIn(texts: readonly string[]): Map<string, string> {
  const keys = new Map<string, string>();
  for (const line of texts.join('\n').split('\n')) {
    const [, key, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined) continue;
    if (value) keys.set(key, value);
    else keys.delete(key);
  }
  return keys;
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !/^(no|false|off|0)$/i.test(value);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
