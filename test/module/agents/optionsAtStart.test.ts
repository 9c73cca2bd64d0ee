import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AgentOptions } from '../../../contract/agentMessages.ts';
import type { Settings } from '../../../contract/settings.ts';
import { createOptionsAtStart } from '../../../module/agents/optionsAtStart.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import { listed } from '../../support/listed.ts';

const ID = 3;
const PID = 4711;

/** Asks for a process with id 3, whose predecessor PM2 still lists. */
function optionsWith(settings: Partial<Settings>, { itself = false, fails = false, pmId = ID } = {}) {
  const fleet = createFleet(() => true);
  fleet.sync([listed({ pmId: ID, pid: 1, name: 'web' })]);
  const at = createOptionsAtStart({
    fleet,
    settings: { attach: 'live', include: ['*'], exclude: [], ...settings } as Settings,
    optionsFor: ({ pid }) => {
      if (fails) throw new Error('no folder');
      return { version: `for ${pid}` } as AgentOptions;
    },
  });
  return at(pmId, PID, itself)?.version;
}

describe('A process that comes to the door at its start', () => {
  it('gets the options of its agent, for its own pid', () => {
    assert.equal(optionsWith({}), `for ${PID}`);
  });

  it('gets none if the settings leave it alone', () => {
    assert.equal(optionsWith({ exclude: ['web'] as never }), undefined);
    assert.equal(optionsWith({ include: ['api'] as never }), undefined);
  });

  it('gets none with the setting attach off, unless its app loads the agent itself', () => {
    assert.equal(optionsWith({ attach: 'off' }), undefined);
    assert.equal(optionsWith({ attach: 'off' }, { itself: true }), `for ${PID}`);
  });

  it('gets none, and starts, if PM2 has not listed it yet or there can be no folder for its user', () => {
    assert.equal(optionsWith({}, { pmId: 9 }), undefined);
    assert.equal(optionsWith({}, { fails: true }), undefined);
  });
});
