// Which processes do the settings have the module leave alone?
import { titleOf } from '../../contract/app.ts';
import type { Settings } from '../../contract/settings.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { isExcluded, matches } from '../pm2/settings.ts';

/** @returns why it gets no agent; undefined where it may have one */
export function leftAlone(
  member: Member,
  { include, exclude }: Pick<Settings, 'include' | 'exclude'>,
  fleet: Pick<Fleet, 'members'>,
): { code: 'not-included' | 'excluded'; reason: string } | undefined {
  const called = namesOf(member);
  if (!called.some((each) => matches(each, include))) return { code: 'not-included', reason: 'not in pm2-ops:include' };
  const names = fleet.members().flatMap(namesOf);
  if (called.some((each) => isExcluded(each, exclude, names)))
    return { code: 'excluded', reason: 'excluded by pm2-ops:exclude' };
  return undefined;
}

/** The names by which a setting can name a process. */
function namesOf(member: Member): string[] {
  return [member.process.name, titleOf(member.process)];
}
