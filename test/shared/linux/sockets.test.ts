import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import { holdsClients } from '../../../shared/linux/sockets.ts';
import { waitFor } from '../../../testkit/wait-for.ts';

const SERVER = "const s = require('net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))";

describe('does a process hold clients?', () => {
  const children: ChildProcess[] = [];
  after(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  /** A process of this program, and the first line that it writes. */
  async function run(program: string): Promise<{ pid: number; line: string; child: ChildProcess }> {
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [line] = await once(child.stdout!, 'data');
    return { pid: child.pid!, line: String(line).trim(), child };
  }

  it('not with a connection of ours, as to its inspector; yes with one of somebody else, for as long as that is there', async () => {
    const server = await run(SERVER);
    const port = Number(server.line);
    assert.equal(holdsClients(server.pid), false);
    const own = net.connect(port, '127.0.0.1');
    await once(own, 'connect');
    assert.equal(holdsClients(server.pid), false);
    const client = await run(`require('net').connect(${port}, '127.0.0.1', () => console.log('connected'))`);
    await waitFor(() => holdsClients(server.pid), { what: 'the client to be seen' });
    client.child.kill('SIGKILL');
    await waitFor(() => !holdsClients(server.pid), { what: 'the client to be gone' });
    own.destroy();
  });
});
