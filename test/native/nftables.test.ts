/** The kernel's and nft's own word on the rules: messages and the commands by hand make the same, as nft lists it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SOURCE = join(import.meta.dirname, '../../src');

/** Runs TypeScript in a fresh network namespace; what it prints. */
function inNamespace(body: string): string {
  const source = `
    import { execFileSync } from 'node:child_process';
    import { sendNetlink } from '${SOURCE}/kernel/netlink-door.ts';
    import * as nft from '${SOURCE}/kernel/nftables.ts';
    import { quoteAll } from '${SOURCE}/explain/shell/quote.ts';
    import * as rules from '${SOURCE}/network/rules.ts';
    import { bindingsOf } from '${SOURCE}/network/published-port.ts';
    const send = (messages) => sendNetlink({ protocol: 12 }, messages, 'try it');
    const refused = (messages) => { try { send(messages); return 'taken' } catch (e) { return e.cause.code } };
    const list = () => execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
    const elements = [
      ...rules.networkElements({ name: 'inner', bridge: 'tsr-0123456789', internal: true }),
      ...rules.portElements('web', [
        { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
        { hostAddress: '127.0.0.1', hostPort: 53, containerPort: 5353, protocol: 'udp' },
        { hostAddress: '::1', hostPort: 53, containerPort: 5353, protocol: 'udp' },
      ].flatMap((port) => bindingsOf(port, ['172.17.0.2', 'fd00::2']))),
    ];
    ${body}`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module-typescript'];
  const { stdout, stderr, status } = spawnSync('unshare', ['--net', '--', ...node, '--eval', source], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

const MESSAGES = '[...rules.baseRules(), ...rules.addElements(elements)]';

test('the messages and the commands by hand make the same rules', () => {
  const sent = inNamespace(`send(nft.transaction(${MESSAGES})); console.log(list());`);
  const typed = inNamespace(`
    const script = ${MESSAGES}.map(({ byHand }) => quoteAll(byHand)).join('\\n');
    execFileSync('sh', ['-ec', script]);
    console.log(list());`);
  expect(sent).toBe(typed);
  expect(sent).toContain('elements = { tcp . 8080 comment "container web" : 172.17.0.2 . 80 }');
  // A port of ::1 is passed on by a process.
  expect(sent).not.toContain('::1 . udp');
});

test('nft takes its own list of the rules back', () => {
  const lists = inNamespace(`
    send(nft.transaction(${MESSAGES}));
    const before = list();
    execFileSync('nft', ['-f', '-'], { input: 'flush ruleset\\n' + before });
    console.log(JSON.stringify([before, list()]));`);
  const [before, after] = JSON.parse(lists);
  expect(after).toBe(before);
});

test('elements are added and removed by several without an error, and the table stays as it was made', () => {
  const [empty, again, missing, left, version] = JSON.parse(
    inNamespace(`
      send(nft.transaction(rules.baseRules()));
      const empty = list();
      send(nft.transaction(rules.addElements(elements)));
      send(nft.transaction(rules.addElements(elements)));
      const again = refused(nft.transaction(rules.baseRules()));
      send(nft.transaction(elements.slice(1, 3).map((e) => nft.deleteElement('tsrun', e.set, e.element))));
      const missing = refused(nft.transaction(elements.map((e) => nft.deleteElement('tsrun', e.set, e.element))));
      send(nft.transaction(rules.removeElements(elements)));
      const version = nft.readTableComment(send([nft.getTable('tsrun')]));
      console.log(JSON.stringify([empty, again, missing, list(), version]));`),
  );
  expect(again).toBe('EEXIST');
  expect(missing).toBe('ENOENT');
  expect(left).toBe(empty);
  expect(version).toBe('rules of tsrun, version 1');
});

test('a table of another version is replaced as a whole, and a refused transaction changes nothing', () => {
  const [old, fresh, code, after] = JSON.parse(
    inNamespace(`
      send(nft.transaction([nft.newTable('tsrun', 'rules of tsrun, version 0'), nft.newChain('tsrun', 'relic')]));
      const old = nft.readTableComment(send([nft.getTable('tsrun')]));
      send(nft.transaction(rules.baseRules({ replace: true })));
      const fresh = list();
      const code = refused(nft.transaction([...rules.addElements(elements), nft.newChain('no-table', 'c')]));
      console.log(JSON.stringify([old, fresh, code, list()]));`),
  );
  expect(old).toBe('rules of tsrun, version 0');
  expect(fresh).not.toContain('relic');
  expect(code).toBe('ENOENT');
  expect(after).toBe(fresh);
});
