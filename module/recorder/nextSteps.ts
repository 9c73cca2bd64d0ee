// What to do about an exit: lines for a person, with the line to type at the end of each.
import { appOf, titleOf } from '../../contract/app.ts';
import type { Cause, ExitRecord } from '../../contract/exits.ts';
import { NAME } from '../../contract/names.ts';
import { isNameForPm2, shellLine, shellWord } from '../../shared/text/shell.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';

const MIB = 2 ** 20;
/** A limit that was too small is raised by this factor. */
const RAISE = 1.5;

/** What the lines need to know of the app, which PM2 still manages. */
interface Living {
  fleet: Fleet;
  record: ExitRecord;
  member: Member;
  /** The app as PM2's commands take it. */
  word: string;
}

type Steps = (living: Living) => string[];

const leakReport: Steps = ({ word }) => [`does it leak, and which lines allocate: pm2 trigger ${word} leak-report`];
const errorLog: Steps = ({ word }) => [`its log has more: pm2 logs ${word} --err --lines 50 --nostream`];

/** By cause; the others were asked for, and need nothing. */
const STEPS: Partial<Record<Cause, Steps>> = {
  'uncaught-exception': (living) => [
    ...(living.record.exception?.at === undefined ? [] : [`repair ${living.record.exception.at}`]),
    ...errorLog(living),
  ],
  'exit-call': (living) => [
    living.record.exception?.at === undefined
      ? 'the app ended itself: look for process.exit and process.exitCode in its code'
      : `the app ended itself at ${living.record.exception.at}`,
    ...errorLog(living),
  ],
  'ran-dry': ({ word }) => [
    'an app stays up while it listens or has a timer; has its server closed, or did it never listen?',
    `if it is a job that was done: pm2 restart ${word} --no-autorestart`,
  ],
  signal: ({ record }) => [
    `PM2 did not send ${record.signal ?? 'it'}: look for a script, a supervisor or a person that does`,
    'to have the kernel note who sends it next time: auditctl -a always,exit -F arch=b64 -S kill -k kills; then: ausearch -k kills',
  ],
  'kernel-out-of-memory': (living) => [
    "what the kernel says: dmesg -T | grep -iE 'out of memory|oom-kill'",
    ...leakReport(living),
  ],
  'heap-out-of-memory': (living) => {
    const { record, member, word } = living;
    const limit = record.figures.at(-1)?.heapLimitBytes ?? 0;
    const raised = Math.ceil((Math.max(limit, 512 * MIB) * RAISE) / (256 * MIB)) * 256;
    const others = (member.process.nodeArgs ?? []).filter((option) => !option.startsWith('--max-old-space-size'));
    const args = [...others, `--max-old-space-size=${raised}`].join(' ');
    return [...leakReport(living), `if it only needs more: pm2 reload ${word} --node-args ${shellWord(args)}`];
  },
  'kill-timeout': ({ fleet, record, member, word }) => {
    const { killTimeoutMs } = member.process;
    const suggested = fleet.exitReports.get(appOf(record))?.suggestedKillTimeoutMs ?? killTimeoutMs * 2;
    return [
      `what it does when PM2 ends it takes longer than ${killTimeoutMs} ms; more time: pm2 reload ${word} --kill-timeout ${Math.max(suggested, killTimeoutMs + 1_000)}`,
    ];
  },
  'memory-limit': (living) => {
    const limit = living.member.process.maxMemoryRestart;
    const raised = Math.ceil((limit * RAISE) / MIB);
    return [
      ...leakReport(living),
      ...(limit > 0 ? [`if it only needs more: pm2 reload ${living.word} --max-memory-restart ${raised}M`] : []),
    ];
  },
  cron: ({ word }) => [`nothing is wrong: cron_restart asks for it; to end that: pm2 restart ${word} --cron-restart 0`],
  watch: () => [
    'nothing is wrong: watch asks for it; files that it should not mind go into ignore_watch of the ecosystem file',
  ],
  'daemon-ended': () => ["PM2's own log says how its daemon ended: pm2 logs PM2 --lines 50 --nostream"],
  unknown: (living) => {
    const { member, word } = living;
    return [
      ...(member.attachment.is === 'attached'
        ? []
        : [`with an agent it would be known; why there is none: pm2 trigger ${NAME} doctor`]),
      ...errorLog({ ...living, word }),
    ];
  },
};

/** @returns lines in the words of `pm2 trigger`; those for an app that is gone contain nothing to type about it */
export function nextSteps(fleet: Fleet, record: ExitRecord): string[] {
  const own = fleet.members().filter(({ process: listed }) => appOf(listed) === appOf(record));
  const member = own.find(({ process: listed }) => listed.pmId === record.pmId) ?? own[0];
  if (!member)
    return [
      `PM2 no longer manages ${titleOf(record)}: ${shellLine('pm2', 'trigger', NAME, 'why', `app=${titleOf(record)}`)} is all that is known`,
    ];
  const { name, pmId } = member.process;
  const isShared = fleet.members().some(({ process: each }) => each.name === name && appOf(each) !== appOf(record));
  const word = isNameForPm2(name) && !isShared ? shellWord(name) : String(pmId);
  const steps = STEPS[record.cause]?.({ fleet, record, member, word }) ?? [];
  const isLeft = record.followed?.is === 'gave-up' || record.followed?.is === 'stop-exit-code';
  return [...steps, ...(isLeft ? [`PM2 has left it stopped; once it is repaired: pm2 restart ${word}`] : [])];
}
