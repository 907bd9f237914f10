/** `tsrun image inspect`: Docker's fields. */
import type { ImageConfig } from '../spec/image.ts';
import type { ResolvedImage } from './resolved.ts';

/** `names`: the image's full names in familiar form. */
export function inspectImage(image: ResolvedImage, names: readonly string[]) {
  const { config } = image;
  const [top, ...below] = image.layers.map((layer) => layer.diffPath).reverse();
  return {
    Id: image.id,
    RepoTags: names.filter((name) => !name.includes('@')),
    RepoDigests: names.filter((name) => name.includes('@')),
    Parent: '',
    Comment: config.history.at(-1)?.comment ?? '',
    Created: config.created ?? '',
    Author: config.author ?? '',
    Config: dockerConfig(config),
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    Size: image.sizeBytes,
    GraphDriver: {
      Name: 'overlay2',
      Data: { ...(below.length > 0 ? { LowerDir: below.join(':') } : {}), ...(top ? { UpperDir: top } : {}) },
    },
    RootFS: { Type: 'layers', Layers: config.diffIds },
    Descriptor: { digest: image.manifestDigest },
  };
}

export type ImageInspection = ReturnType<typeof inspectImage>;

function dockerConfig({ config }: ImageConfig) {
  const keys = (names: readonly string[] | undefined) =>
    names && Object.fromEntries(names.map((name) => [name, {}]));
  return {
    User: config.User ?? '',
    ...(config.ExposedPorts ? { ExposedPorts: keys(config.ExposedPorts) } : {}),
    Env: config.Env ?? [],
    Cmd: config.Cmd ?? null,
    ...(config.Volumes ? { Volumes: keys(config.Volumes) } : {}),
    WorkingDir: config.WorkingDir ?? '',
    Entrypoint: config.Entrypoint ?? null,
    Labels: config.Labels ?? null,
    ...(config.StopSignal ? { StopSignal: config.StopSignal } : {}),
    ...(config.Shell ? { Shell: config.Shell } : {}),
  };
}
