/** `--change` of `tsrun import`: Dockerfile instructions that say how containers of the image start. */
import { TsrunError } from '../lib/errors.ts';

/** The `config` of an image config, as it is written. */
export interface WrittenConfig {
  User?: string;
  ExposedPorts?: Record<string, object>;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  Volumes?: Record<string, object>;
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
}

const INSTRUCTIONS: Readonly<Record<string, (config: WrittenConfig, rest: string) => void>> = {
  CMD: (config, rest) => {
    config.Cmd = command(rest);
  },
  ENTRYPOINT: (config, rest) => {
    config.Entrypoint = command(rest);
  },
  ENV: (config, rest) => {
    for (const [name, value] of pairs(rest)) {
      config.Env = [...(config.Env ?? []).filter((e) => !e.startsWith(`${name}=`)), `${name}=${value}`];
    }
  },
  LABEL: (config, rest) => {
    config.Labels = Object.fromEntries([...Object.entries(config.Labels ?? {}), ...pairs(rest)]);
  },
  USER: (config, rest) => {
    config.User = rest;
  },
  WORKDIR: (config, rest) => {
    if (!rest.startsWith('/')) throw new Error('the directory must be an absolute path');
    config.WorkingDir = rest;
  },
  STOPSIGNAL: (config, rest) => {
    config.StopSignal = rest;
  },
  EXPOSE: (config, rest) => {
    for (const port of words(rest)) {
      if (!/^[0-9]{1,5}(?:-[0-9]{1,5})?(?:\/(?:tcp|udp|sctp))?$/.test(port))
        throw new Error(`${port} is not a port`);
      config.ExposedPorts = { ...config.ExposedPorts, [port.includes('/') ? port : `${port}/tcp`]: {} };
    }
  },
  VOLUME: (config, rest) => {
    for (const path of list(rest) ?? words(rest)) config.Volumes = { ...config.Volumes, [path]: {} };
  },
};

/** Throws IMAGE_CHANGE_INVALID with the instruction that cannot be used. */
export function applyChanges(changes: readonly string[]): WrittenConfig {
  const config: WrittenConfig = {};
  for (const change of changes) {
    const [, name = '', rest = ''] = /^\s*(\w+)\s+(.*?)\s*$/s.exec(change) ?? [];
    const key = name.toUpperCase();
    const apply = Object.hasOwn(INSTRUCTIONS, key) ? INSTRUCTIONS[key] : undefined;
    if (apply === undefined) throw unusable(change, `known are ${Object.keys(INSTRUCTIONS).join(', ')}`);
    try {
      apply(config, rest);
    } catch (cause) {
      throw unusable(change, cause instanceof Error ? cause.message : String(cause));
    }
  }
  return config;
}

function unusable(change: string, problem: string): TsrunError {
  return new TsrunError(
    'IMAGE_CHANGE_INVALID',
    `Cannot apply the change ${JSON.stringify(change)}: ${problem}`,
    {
      hint: 'write it as in a Dockerfile, for example --change \'CMD ["sh"]\'',
    },
  );
}

/** A JSON list is the command itself; anything else is a line for the shell. */
function command(rest: string): string[] {
  return list(rest) ?? ['/bin/sh', '-c', rest];
}

function list(rest: string): string[] | undefined {
  if (!rest.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(rest);
    return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value : undefined;
  } catch {
    return undefined; // as in a Dockerfile: what is no JSON is a shell line
  }
}

/** `a=1 b="two words"`, or the old form `a the rest`. */
function pairs(rest: string): [string, string][] {
  const items = words(rest);
  const first = items[0] ?? '';
  if (!first.includes('=')) {
    const [, name = '', value = ''] = /^(\S+)\s+(.*)$/s.exec(rest) ?? [];
    if (name === '') throw new Error('it needs a name and a value');
    return [[name, value]];
  }
  return items.map((item) => {
    const at = item.indexOf('=');
    if (at < 1) throw new Error(`${item} is not name=value`);
    return [item.slice(0, at), item.slice(at + 1)];
  });
}

/** Words as a shell splits them: quotes hold words together, a backslash takes the next character as it is. */
function words(text: string): string[] {
  const found: string[] = [];
  for (const [word] of text.matchAll(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs)) {
    found.push(
      word.replace(
        /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs,
        (_, escaped, double, single) => escaped ?? single ?? (double as string).replace(/\\(["\\$])/g, '$1'),
      ),
    );
  }
  return found;
}
