import assert from 'node:assert/strict';
import { once } from 'node:events';
import { it } from 'node:test';
import { AGENT_MESSAGE, type AgentMessage } from '../../contract/agentMessages.ts';
import { startAgentProcess } from '../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

it('an agent that is told to leave while its process is on its way out stays until both are gone', async () => {
  const port = await freePort();
  const env = { PORT: String(port), MB: '1' };
  const agent = await startAgentProcess(app('memory.cjs'), { stateDir: tempFolder(), env });
  try {
    const told: AgentMessage[] = [];
    agent.child.on('message', ({ type, data }: { type: string; data: AgentMessage }) => {
      if (type === AGENT_MESSAGE) told.push(data);
    });
    const answer = fetch(`http://127.0.0.1:${port}/?ms=600`);
    await waitFor(async () => (await agent.run<{ inFlight: number }>('ops-status')).inFlight === 1, {
      what: 'the request to be in flight',
    });
    const exit = once(agent.child, 'exit');
    agent.child.kill('SIGINT');
    await waitFor(() => told.some((message) => message.kind === 'state' && message.state === 'draining'), {
      what: 'the drain',
    });
    agent.detach();
    assert.equal((await answer).status, 200);
    assert.deepEqual(await exit, [0, null]);
    const report = told.find(({ kind }) => kind === 'leaves');
    assert.ok(report?.kind === 'leaves' && report.report.finished === 1, JSON.stringify(told));
    assert.ok(!told.some(({ kind }) => kind === 'bye'), 'it would serve without what makes it leave in order');
  } finally {
    agent.kill();
  }
});
