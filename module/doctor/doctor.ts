// `pm2-ops doctor`: what is wrong, and the line to type. Looks only at what can be known cheaply, and changes nothing.
import type { DoctorReply } from '../commandProtocol.ts';
import { VERSION } from '../version.ts';
import { APP_CHECKS } from './apps.ts';
import type { Check, Finding, Host } from './finding.ts';
import { HOST_CHECKS } from './host.ts';
import { PROCESS_CHECKS } from './processes.ts';

const CHECKS: Check[] = [...HOST_CHECKS, ...PROCESS_CHECKS, ...APP_CHECKS];
const ORDER = ['error', 'warning', 'info'] as const;

/** Runs every check. */
export async function examine(host: Host): Promise<DoctorReply> {
  const findings: Finding[] = [];
  for (const { name, look } of CHECKS) {
    try {
      findings.push(...(await look(host)).map((found) => ({ check: name, ...found })));
    } catch (error) {
      const what = `this could not be checked: ${(error as Error).message}`;
      findings.push({ severity: 'warning', check: name, what, fix: 'look at: pm2 logs pm2-ops' });
    }
  }
  findings.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
  return {
    ok: true,
    action: 'doctor',
    version: VERSION,
    healthy: findings.every(({ severity }) => severity !== 'error'),
    checks: CHECKS.map(({ name }) => name),
    findings,
  };
}
