/** What a configuration may hold: its version, unknown properties, invalid values, annotations. */
import { expect } from 'vitest';
import { type Change, type Config, invalid, without } from './support/config.ts';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const version = section('config.md, Specification version');
const annotations = section('config.md, Annotations');
const extensibility = section('config.md, Extensibility');
const values = section('config.md, Valid values');

const VERSION =
  '`ociVersion` (string, REQUIRED) MUST be in SemVer v2.0.0 format and specifies the version of the Open Container Initiative Runtime Specification with which the bundle complies.';

version(VERSION, 'it is missing', async (box) => {
  await error(box.container((config) => without(config, 'ociVersion')).create());
});

for (const given of ['', '1', '1.0', 'v1.0.0', '1.0.0.0', 'latest'])
  version(VERSION, `${JSON.stringify(given)} is refused`, async (box) => {
    const container = box.container((config) => {
      config.ociVersion = given;
    });
    await error(container.create());
  });

for (const given of ['1.0.0', '1.0.2-dev', '1.0.1+build.5'])
  version(
    'For example, if a configuration is compliant with version 1.1 of this specification, it is compatible with all runtimes that support any 1.1 or later release of this specification, but is not compatible with a runtime that supports 1.0 and not 1.1.',
    given,
    async (box) => {
      const output = await box.sh('echo ran', (config) => {
        config.ociVersion = given;
      });
      expect(output).toBe('ran\n');
    },
  );

annotations('Annotations MUST be a key-value map.', async (box) => {
  const container = box.container((config) => {
    config.annotations = invalid(['one', 'two']);
  });
  await error(container.create());
});

annotations('Keys MUST NOT be an empty string.', async (box) => {
  const container = box.container((config) => {
    config.annotations = { '': 'value' };
  });
  await error(container.create());
});

for (const value of [1, true, null, ['text'], { key: 'text' }])
  annotations('Values MUST be strings.', JSON.stringify(value), async (box) => {
    const container = box.container((config) => {
      config.annotations = { 'org.example.key': invalid(value) };
    });
    await error(container.create());
  });

annotations('Values MAY be an empty string.', async (box) => {
  const container = await box.created((config) => {
    config.annotations = { 'org.example.key': '' };
  });
  expect((await container.state()).annotations).toMatchObject({ 'org.example.key': '' });
});

annotations('Runtimes MUST handle unknown annotation keys like any other unknown property.', async (box) => {
  const output = await box.sh('echo ran', (config) => {
    config.annotations = { 'org.opencontainers.not-specified': 'x', 'without dots': 'y', 'run.example': 'z' };
  });
  expect(output).toBe('ran\n');
});

const IGNORED = 'Runtimes MAY log unknown properties but MUST otherwise ignore them.';
const OBJECTS: Readonly<Record<string, (config: Config) => object>> = {
  'the configuration': (config) => config,
  root: ({ root }) => root,
  process: ({ process }) => process,
  'process.user': ({ process }) => process.user,
  'process.capabilities': ({ process }) => process.capabilities,
  'a mount': ({ mounts }) => mounts[0] ?? {},
  linux: ({ linux }) => linux,
  'a namespace': ({ linux }) => linux.namespaces[0] ?? {},
  resources: ({ linux }) => {
    linux.resources = {};
    return linux.resources;
  },
  'resources.memory': ({ linux }) => {
    const memory = {};
    linux.resources = { memory };
    return memory;
  },
  hooks: (config) => {
    config.hooks = {};
    return config.hooks;
  },
  seccomp: ({ linux }) => {
    linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW' };
    return linux.seccomp;
  },
};

for (const [name, object] of Object.entries(OBJECTS))
  extensibility(IGNORED, `of ${name}`, async (box) => {
    const output = await box.sh('echo ran', (config) => {
      Object.assign(object(config), { 'org.example.unknown': { deep: [1, 'two'] }, unknownFlag: true });
    });
    expect(output).toBe('ran\n');
  });

extensibility(IGNORED, 'the configuration of another platform', async (box) => {
  const output = await box.sh('echo ran', (config) => {
    Object.assign(config, { windows: { layerFolders: ['C:\\layer'] }, solaris: { limitpriv: 'x' }, zos: {} });
  });
  expect(output).toBe('ran\n');
});

extensibility(
  'That includes not generating errors if they encounter an unknown property.',
  'a property of a later version',
  async (box) => {
    const output = await box.sh('echo ran', ({ process, linux }) => {
      Object.assign(process, { fromTheFuture: { level: 3 } });
      Object.assign(linux, { fromTheFuture: ['x'] });
    });
    expect(output).toBe('ran\n');
  },
);

const INVALID = 'Runtimes MUST generate an error when invalid or unsupported values are encountered.';

/** Of the wrong type, out of range, or a name that means nothing. */
const FAULTS: Readonly<Record<string, Change>> = {
  'process is a string': (config) => {
    config.process = invalid('sh');
  },
  'process.args is a string': ({ process }) => {
    process.args = invalid('sh');
  },
  'process.args holds a number': ({ process }) => {
    process.args = invalid(['sleep', 1]);
  },
  'process.env is an object': ({ process }) => {
    process.env = invalid({ KEY: 'value' });
  },
  'process.terminal is a string': ({ process }) => {
    process.terminal = invalid('yes');
  },
  'process.user.uid is a string': ({ process }) => {
    process.user.uid = invalid('root');
  },
  'process.user.uid is negative': ({ process }) => {
    process.user.uid = -1;
  },
  'process.user.uid is a fraction': ({ process }) => {
    process.user.uid = 1.5;
  },
  'process.user.uid needs 33 bits': ({ process }) => {
    process.user.uid = 2 ** 32;
  },
  'process.oomScoreAdj is out of range': ({ process }) => {
    process.oomScoreAdj = 1001;
  },
  'process.rlimits: soft above hard': ({ process }) => {
    process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 200, hard: 100 }];
  },
  'root is a string': (config) => {
    config.root = invalid('rootfs');
  },
  'root.readonly is a string': ({ root }) => {
    root.readonly = invalid('true');
  },
  'hostname is a number': (config) => {
    config.hostname = invalid(5);
  },
  'mounts is an object': (config) => {
    config.mounts = invalid({ destination: '/mnt' });
  },
  'mounts: options is a string': ({ mounts }) => {
    mounts.push({ destination: '/mnt', type: 'tmpfs', options: invalid('ro') });
  },
  'mounts: a file system that does not exist': ({ mounts }) => {
    mounts.push({ destination: '/mnt', type: 'no-such-file-system' });
  },
  'linux is an array': (config) => {
    config.linux = invalid([]);
  },
  'linux.namespaces is an object': ({ linux }) => {
    linux.namespaces = invalid({ type: 'pid' });
  },
  'linux.resources: memory.limit is a string': ({ linux }) => {
    linux.resources = { memory: { limit: invalid('64M') } };
  },
  'linux.resources: pids.limit is a string': ({ linux }) => {
    linux.resources = { pids: { limit: invalid('10') } };
  },
  'linux.sysctl: a value is a number': ({ linux }) => {
    linux.sysctl = { 'net.ipv4.ip_forward': invalid(1) };
  },
  'linux.maskedPaths holds a number': ({ linux }) => {
    linux.maskedPaths = invalid([1]);
  },
  'hooks is an array': (config) => {
    config.hooks = invalid([]);
  },
  'the file is an array': (config) => {
    for (const property of Object.keys(config)) Reflect.deleteProperty(config, property);
    Object.assign(config, { toJSON: () => [] });
  },
  'the file is empty': (config) => {
    for (const property of Object.keys(config)) Reflect.deleteProperty(config, property);
  },
};

for (const [fault, change] of Object.entries(FAULTS))
  values(INVALID, fault, async (box) => {
    const container = box.container(change);
    await error(container.create().then(() => container.start()));
  });
