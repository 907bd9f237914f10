/** The main job: image + options → container on disk → plan → running program. */
import type { ResolvedImage } from '../image/resolved.ts';
import { type ImageStore, openImageStore } from '../image/store.ts';
import type { KernelDoor } from '../kernel/door.ts';
import type { Plan } from '../kernel/ops.ts';
import { type HostPath, hostPath } from '../lib/brands.ts';
import { errnoOf, reasonOf, TsrunError } from '../lib/errors.ts';
import { checkRoot } from '../runtime/host-facts.ts';
import type { PortChoice } from './choose-ports.ts';
import { engineFiles, type FilesInput, writeEngineFiles } from './container-files.ts';
import { reserveName } from './container-names.ts';
import type { Connection } from './container-network.ts';
import type { ContainerOptions, NetworkOptions } from './container-options.ts';
import {
  claimContainer,
  containerDirectories,
  createDirectories,
  type Directory,
  removeContainer,
  sweep,
  writeRecord,
} from './container-store.ts';
import {
  type ContainerDraft,
  draftCgroups,
  draftContainer,
  layerName,
  planDraft,
} from './draft-container.ts';
import { containerDir, type EnginePaths, prepareRoots } from './paths.ts';
import { discardedPorts, exposedPorts } from './port-options.ts';

export interface PreparedContainer {
  readonly plan: Plan;
  /** What the user should know, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Everything of `run` but the launch: the container has its name and directories, and is removed again if this
 * throws. `reporter` is the argv of the program that explains a failed start.
 */
export async function prepareContainer(
  paths: EnginePaths,
  options: ContainerOptions,
  reporter: readonly string[],
  source: ImageSource,
): Promise<PreparedContainer> {
  checkRoot(`run ${options.image}`);
  prepareRoots(paths);
  await sweep(paths);
  const images = openImageStore(paths.dataRoot);
  // Until the container is on record, nothing else says that its image is in use.
  using held = await holdImage(images, options.image, source);
  const draft = await draftContainer(paths, options, held.image);
  const { id, image, spec } = draft;
  claimContainer(paths, id);
  let name: string | undefined;
  try {
    name = reserveName(paths, id, options.name);
    createDirectories(paths, id);
    const network = await connect(paths, draft, name, { take: true });
    const plan = planDraft(paths, draft, name, network?.plan, reporter);
    writeEngineFiles(containerDir(paths, id), filesInput(draft, network));
    writeRecord(paths, {
      id,
      name,
      image: options.image,
      imageId: image.id,
      chainIds: image.layers.map((layer) => layer.chainId),
      createdAtMs: Date.now(),
      autoRemove: options.remove,
      cgroups: draftCgroups(draft),
      network: networkOnRecord(draft, network),
      ports: { publish: options.ports.publish, exposed: exposedOf(draft) },
      spec,
    });
    const discarded = discardedPorts(options.network.mode, options.ports);
    return { plan, warnings: [...discarded, ...(network?.warnings ?? [])] };
  } catch (error) {
    await removeContainer(paths, { id, name, cgroups: undefined });
    throw FULL.has(errnoOf(error) ?? '') ? diskFull(paths, error) : error;
  }
}

/** Where an image comes from that is not in the store, and when it is looked for there. */
export interface ImageSource {
  readonly policy: 'always' | 'missing' | 'never';
  /** Brings it into the store. `missing`: it is not there. */
  pull(image: string, missing: boolean): Promise<void>;
}

interface HeldImage extends Disposable {
  readonly image: ResolvedImage;
}

/** The image cannot be removed until what is returned is disposed of. */
async function holdImage(images: ImageStore, name: string, source: ImageSource): Promise<HeldImage> {
  if (source.policy === 'always') await source.pull(name, false);
  try {
    return await hold();
  } catch (error) {
    const isMissing = error instanceof TsrunError && error.code === 'IMAGE_NOT_FOUND';
    if (!isMissing || source.policy !== 'missing' || IS_ID.test(name)) throw error;
  }
  await source.pull(name, true);
  return hold();

  async function hold(): Promise<HeldImage> {
    const lock = await images.hold();
    try {
      return { image: await images.resolve(name), [Symbol.dispose]: () => lock[Symbol.dispose]() };
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }
}

/** No registry can be asked for an image by its ID alone. */
const IS_ID = /^sha256:|^[0-9a-f]{64}$/;

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** Node's error of a write does not say which file it was. */
function diskFull(paths: EnginePaths, cause: unknown): TsrunError {
  return new TsrunError('DISK_FULL', `Cannot make a container in ${paths.dataRoot}: ${reasonOf(cause)}`, {
    hint: 'free space on that file system, or set TSRUN_ROOT to a directory on another one',
    cause,
  });
}

/** Makes the container, runs it through `door` and waits for its end: its exit status. */
export async function runContainer(
  paths: EnginePaths,
  options: ContainerOptions,
  door: KernelDoor,
  warn: (warnings: readonly string[]) => void,
  source: ImageSource,
): Promise<number> {
  const { launch } = await import('../runtime/launch.ts');
  const { plan, warnings } = await prepareContainer(paths, options, [], source);
  warn(warnings);
  return launch(plan, door);
}

/** A container as it would be made. */
export interface ExplainedContainer {
  readonly plan: Plan;
  /** What the plan finds on disk when it starts: each directory after the one it lies in, then the files. */
  readonly directories: readonly Directory[];
  readonly files: readonly { readonly path: HostPath; readonly text: string }[];
  /** The names that the plan has for image layers, and where they lead. */
  readonly layers: readonly { readonly name: string; readonly path: HostPath }[];
}

/** The plan of a container that is not made: nothing on disk is touched. */
export async function explainContainer(
  paths: EnginePaths,
  options: ContainerOptions,
): Promise<ExplainedContainer> {
  const image = await openImageStore(paths.dataRoot).resolve(options.image);
  const draft = await draftContainer(paths, options, image);
  const dir = containerDir(paths, draft.id);
  const name = options.name ?? 'explained';
  const network = await connect(paths, draft, name, { take: false });
  const files = Object.entries(engineFiles(filesInput(draft, network)));
  return {
    plan: planDraft(paths, draft, name, network?.plan, []),
    directories: containerDirectories(paths, draft.id),
    files: files.map(([name, text]) => ({ path: hostPath(`${dir}/${name}`), text })),
    layers: image.layers.map((layer) => ({ name: layerName(layer), path: layer.diffPath })),
  };
}

const exposedOf = ({ image, options }: ContainerDraft) => exposedPorts(image.config.config, options.ports);

/** The code for networks is a third of what a start would need: it is loaded for a container that has one of its own. */
async function connect(
  paths: EnginePaths,
  draft: ContainerDraft,
  name: string,
  { take }: { readonly take: boolean },
): Promise<Connection | undefined> {
  const { id, options, host } = draft;
  const { mode } = options.network;
  if (mode.kind !== 'network') return undefined;
  const { connectContainer } = await import('./container-network.ts');
  const { ipv6 } = host;
  const ports = portChoice(draft);
  return connectContainer(paths, {
    id,
    name,
    hostname: draft.spec.hostname ?? '',
    places: [{ ...options.network, network: mode.name }, ...options.network.more],
    resolvers: options.network.dns,
    ports,
    ipv6,
    take,
  });
}

function portChoice(draft: ContainerDraft): PortChoice {
  const { publish, publishAll } = draft.options.ports;
  return { requests: publish, all: publishAll ? exposedOf(draft) : [] };
}

function filesInput({ spec, options }: ContainerDraft, network: Connection | undefined): FilesInput {
  return { hostname: spec.hostname ?? '', options: options.network, endpoints: network?.endpoints ?? [] };
}

/** A container by its id, for its name can be another's later; a network by its name, which others look for. */
function networkOnRecord(
  { options: { network }, peer }: ContainerDraft,
  connection: Connection | undefined,
): NetworkOptions {
  if (peer !== undefined) return { ...network, mode: { kind: 'container', container: peer.id } };
  const [first, ...more] = connection?.endpoints ?? [];
  if (first === undefined) return network;
  return {
    ...network,
    mode: { kind: 'network', name: first.network.name },
    more: more.map((endpoint) => ({ ...endpoint.asked, network: endpoint.network.name })),
  };
}
