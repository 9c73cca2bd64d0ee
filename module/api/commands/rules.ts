// `rules`: the rules in force, and what they have brought.
import type { RulesReply } from '../../../contract/rules.ts';
import type { Rules } from '../../rules/rules.ts';

export interface RulesCommandParts {
  rules: Pick<Rules, 'status'>;
}

export async function rules(parts: RulesCommandParts): Promise<RulesReply> {
  return parts.rules.status();
}
