// Follows doctor's advice to the letter: runs its lines in a shell, as a person does who pastes them.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DoctorReply } from '../../contract/commandMessages.ts';
import type { Finding } from '../../contract/finding.ts';
import { ROOT } from '../../testkit/folders.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { pm2Folder } from '../../testkit/pm2Versions.ts';
import { type RunResult, run } from '../../testkit/run.ts';
import { waitFor } from '../../testkit/wait-for.ts';

export interface Advice {
  /** What doctor says now, in the words of the command. */
  examine(): Promise<DoctorReply>;
  /** Waits for a finding. @param subject as its text begins, such as the app's name */
  finding(check: string, subject?: string): Promise<Finding>;
  /** Waits until it is not found any more. */
  gone(check: string, subject?: string): Promise<void>;
  /** Pastes a line. */
  paste(line: string): Promise<RunResult>;
  /** Pastes every line of a finding. */
  follow(finding: Finding): Promise<void>;
}

/** @param pm2 a daemon with the module; the shell finds `pm2` and `pm2-ops` */
export function takeAdvice(pm2: Pm2): Advice {
  const programs = { pm2: join(pm2Folder(), 'bin/pm2'), 'pm2-ops': join(ROOT, 'dist/cli.mjs') };
  for (const [name, script] of Object.entries(programs)) {
    const file = join(pm2.folder, 'bin', name);
    writeFileSync(file, `#!/bin/sh\nexec ${pm2.node} ${script} "$@"\n`);
    chmodSync(file, 0o755);
  }
  const paste: Advice['paste'] = (line) =>
    run('bash', ['-c', line], { env: pm2.env, cwd: pm2.folder, timeoutMs: 90_000 });
  const examine = async () => JSON.parse((await paste('pm2-ops doctor --json')).stdout) as DoctorReply;
  const find = ({ findings }: DoctorReply, check: string, subject = '') =>
    findings.find(
      (each) => each.check === check && (subject === '' || each.subjects.some((one) => one.startsWith(subject))),
    );
  return {
    examine,
    paste,
    finding: (check, subject) =>
      waitFor(async () => find(await examine(), check, subject), {
        what: `doctor to find ${check} ${subject ?? ''}`,
        timeoutMs: 40_000,
        everyMs: 300,
        context: async () => JSON.stringify((await examine()).findings, null, 1),
      }) as Promise<Finding>,
    async gone(check, subject) {
      await waitFor(async () => find(await examine(), check, subject) === undefined, {
        what: `${check} ${subject ?? ''} to be gone`,
        timeoutMs: 40_000,
        everyMs: 300,
        context: async () => JSON.stringify((await examine()).findings, null, 1),
      });
    },
    async follow({ commands }) {
      for (const line of commands) {
        const { code, stdout, stderr } = await paste(line);
        if (code !== 0) throw new Error(`${line}: exit code ${code}\n${stdout}\n${stderr}`);
      }
    },
  };
}
