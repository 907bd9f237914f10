import { expect, test } from 'vitest';
import { applyChanges } from '../../../src/image/changes.ts';

test('each instruction sets its field', () => {
  const config = applyChanges([
    'CMD ["sh", "-l"]',
    'entrypoint echo $HOME',
    'ENV A=1 B="two words" C=three\\ words',
    'ENV A=2',
    'ENV OLD form of it',
    'WORKDIR /srv',
    'USER web:www',
    'LABEL "a key"=v other=\'x y\'',
    'EXPOSE 80 53/udp',
    'VOLUME ["/data"]',
    'STOPSIGNAL SIGINT',
  ]);
  expect(config).toEqual({
    Cmd: ['sh', '-l'],
    Entrypoint: ['/bin/sh', '-c', 'echo $HOME'],
    Env: ['B=two words', 'C=three words', 'A=2', 'OLD=form of it'],
    WorkingDir: '/srv',
    User: 'web:www',
    Labels: { 'a key': 'v', other: 'x y' },
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Volumes: { '/data': {} },
    StopSignal: 'SIGINT',
  });
});

test('what cannot be used is named', () => {
  for (const change of ['RUN x', 'constructor x', 'CMD', 'ENV =x', 'ENV A', 'WORKDIR rel', 'EXPOSE http']) {
    expect(() => applyChanges([change]), change).toThrow(
      expect.objectContaining({ code: 'IMAGE_CHANGE_INVALID' }),
    );
  }
});
