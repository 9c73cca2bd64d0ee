import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Reply } from '../../../contract/reply.ts';
import { readOpsStatus } from '../../../module/agents/opsStatusReply.ts';

describe('what a process says of itself', () => {
  const said = (fields: object) => readOpsStatus({ ok: true, action: 'ops-status', pid: 1, ms: 0, ...fields } as Reply);
  const server = { kind: 'http', address: '0.0.0.0:80', listening: true, connections: 1, inFlight: 0 };

  it('is taken where it is what an agent says', () => {
    const memory = { heapUsed: 5, rss: 7 };
    assert.deepEqual(said({ servers: [server], memory }), { servers: [server], memory });
  });

  it('may be anything, and is then no server and no memory, and no exception for whoever asked many', () => {
    const nothing = { servers: [], memory: { heapUsed: 0, rss: 0 } };
    for (const servers of [undefined, null, 5, {}, [null], [{ ...server, address: {} }], [{ ...server, kind: 'x' }]]) {
      for (const memory of [undefined, null, 'much', { heapUsed: {} }, { heapUsed: -1 }]) {
        assert.deepEqual(said({ servers, memory }), nothing);
      }
    }
  });
});
