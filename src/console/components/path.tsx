interface Props {
  method?: string;
  path: string;
}

/** The method and path of a request. A phone shows only the last two segments, which name the family and the endpoint. */
export function Path({ method, path }: Props) {
  const [, start = '', end = path] = /^(.*?)([^/]*\/[^/]*)$/s.exec(path) ?? [];
  return (
    <bdi class="clip">
      <span class="path-start">
        {method === undefined ? '' : `${method} `}
        {start}
      </span>
      {end}
    </bdi>
  );
}
