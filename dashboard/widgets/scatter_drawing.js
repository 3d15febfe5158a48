// Draws the points of scatter.js: with WebGL, or on a plain canvas where there is none.

const VERTEX = `
attribute vec2 place;
attribute vec4 colour;
attribute float shape;
uniform vec2 origin, scale;
uniform mediump float size;
varying vec4 tint;
varying float form;
void main() {
  gl_Position = vec4((place - origin) * scale, 0.0, 1.0);
  gl_PointSize = size;
  tint = colour;
  form = shape;
}`;

// One soft edge a shape, a pixel wide; p runs from -1 to 1, y upwards.
const FRAGMENT = `
precision mediump float;
varying vec4 tint;
varying float form;
uniform float size;
void main() {
  vec2 p = vec2(gl_PointCoord.x, 1.0 - gl_PointCoord.y) * 2.0 - 1.0;
  vec2 a = abs(p);
  float d = length(p);
  if (form > 4.5) d = max(max(abs(p.x - p.y), abs(p.x + p.y)) > 1.5 ? 2.0 : 0.0,
                          0.6 + min(abs(p.x - p.y), abs(p.x + p.y)));
  else if (form > 3.5) d = max(-p.y + 0.35, a.x * 1.6 + p.y * 0.9 + 0.1);
  else if (form > 2.5) d = max(max(a.x, a.y), 0.6 + min(a.x, a.y));
  else if (form > 1.5) d = a.x + a.y;
  else if (form > 0.5) d = max(a.x, a.y) * 1.15;
  float edge = 2.0 / size;
  float cover = 1.0 - smoothstep(1.0 - edge, 1.0, d);
  if (cover <= 0.0) discard;
  gl_FragColor = vec4(tint.rgb * tint.a, tint.a) * cover;
}`;

/** Makes what draws points on a canvas with WebGL; null where that cannot be had. */
function glPainter(canvas) {
  const gl = canvas.getContext("webgl", { antialias: false });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const places = { origin: uniform("origin"), scale: uniform("scale"), size: uniform("size") };

  function attribute(name, size, type, normalised) {
    const buffer = gl.createBuffer();
    const at = gl.getAttribLocation(program, name);
    return (array) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, normalised, 0, 0);
    };
  }
  const setPlaces = attribute("place", 2, gl.FLOAT, false);
  const setColours = attribute("colour", 4, gl.UNSIGNED_BYTE, true);
  const setShapes = attribute("shape", 1, gl.UNSIGNED_BYTE, false);

  return {
    kind: "webgl",
    // In the order in which they are drawn, the last on top.
    set(points, colours, shapes) {
      setPlaces(points);
      setColours(colours);
      setShapes(shapes);
    },
    draw(view, groups) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(places.origin, view.x, view.y);
      gl.uniform2f(
        places.scale,
        (2 * view.scale * view.ratio) / canvas.width,
        (2 * view.scale * view.ratio) / canvas.height,
      );
      for (const { from, count, radius } of groups) {
        if (!count) continue;
        gl.uniform1f(places.size, 2 * radius * view.ratio);
        gl.drawArrays(gl.POINTS, from, count);
      }
    },
    free() {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

/** Makes what draws the same on a plain canvas. */
function plainPainter(canvas) {
  const context = canvas.getContext("2d");
  let points = new Float32Array(0);
  let colours = new Uint8Array(0);
  let shapes = new Uint8Array(0);
  return {
    kind: "canvas",
    set(newPoints, newColours, newShapes) {
      points = newPoints;
      colours = newColours;
      shapes = newShapes;
    },
    draw(view, groups) {
      const { width, height } = canvas;
      const zoom = view.scale * view.ratio;
      context.clearRect(0, 0, width, height);
      let last = "";
      for (const { from, count, radius } of groups) {
        const r = radius * view.ratio;
        for (let i = from; i < from + count; i += 1) {
          const x = width / 2 + (points[2 * i] - view.x) * zoom;
          const y = height / 2 - (points[2 * i + 1] - view.y) * zoom;
          if (x < -r || y < -r || x > width + r || y > height + r) continue;
          const c = 4 * i;
          const look = `rgba(${colours[c]},${colours[c + 1]},${colours[c + 2]},${colours[c + 3] / 255})`;
          if (look !== last) context.fillStyle = context.strokeStyle = last = look;
          plainShape(context, shapes[i], x, y, r);
        }
      }
    },
    free() {},
  };
}

function plainShape(context, shape, x, y, r) {
  context.beginPath();
  if (shape === 1) context.rect(x - 0.87 * r, y - 0.87 * r, 1.74 * r, 1.74 * r);
  else if (shape === 2) path(context, x, y, [0, -r, r, 0, 0, r, -r, 0]);
  else if (shape === 4) path(context, x, y, [0, -r, r, 0.65 * r, -r, 0.65 * r]);
  else if (shape === 3 || shape === 5) {
    const [a, b] = shape === 3 ? [r, 0] : [0.75 * r, 0.75 * r];
    context.lineWidth = 0.7 * r;
    context.moveTo(x - a, y - b);
    context.lineTo(x + a, y + b);
    context.moveTo(x - b, y + a);
    context.lineTo(x + b, y - a);
    context.stroke();
    return;
  } else context.arc(x, y, r, 0, 2 * Math.PI);
  context.fill();
}

function path(context, x, y, offsets) {
  for (let i = 0; i < offsets.length; i += 2) context.lineTo(x + offsets[i], y + offsets[i + 1]);
  context.closePath();
}

/** Finds the point nearest to a place, by cells of a grid over the unit square. */
function makeFinder(points, side = 128) {
  const n = points.length / 2;
  const cell = (value) => clamp(Math.floor(value * side), 0, side - 1);
  const starts = new Uint32Array(side * side + 1);
  const of = new Uint32Array(n);
  for (let i = 0; i < n; i += 1) {
    of[i] = cell(points[2 * i + 1]) * side + cell(points[2 * i]);
    starts[of[i] + 1] += 1;
  }
  for (let i = 0; i < side * side; i += 1) starts[i + 1] += starts[i];
  const next = starts.slice(0, -1);
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i += 1) order[next[of[i]]++] = i;
  return (x, y, radius) => {
    let found = -1;
    let least = radius * radius;
    for (let row = cell(y - radius); row <= cell(y + radius); row += 1) {
      const from = starts[row * side + cell(x - radius)];
      const to = starts[row * side + cell(x + radius) + 1];
      for (let at = from; at < to; at += 1) {
        const i = order[at];
        const dx = points[2 * i] - x;
        const dy = points[2 * i + 1] - y;
        if (dx * dx + dy * dy < least) {
          least = dx * dx + dy * dy;
          found = i;
        }
      }
    }
    return found;
  };
}

/** The red, green and blue of any colour that CSS knows. */
function readColour(text) {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

/** Parts of a binary answer of /points: a JSON head, then its arrays one after the other. */
function readPoints(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  const take = (Kind, count) => {
    const part = new Kind(buffer.slice(at, at + count * Kind.BYTES_PER_ELEMENT));
    at += count * Kind.BYTES_PER_ELEMENT;
    return part;
  };
  const m = head.drawn;
  return {
    ...head,
    places: take(Float32Array, 2 * m),
    labels: take(Uint16Array, m),
    predicted: take(Uint16Array, m),
    splits: take(Uint8Array, m),
    grid: take(Uint8Array, head.density * head.density),
    ids: new TextDecoder().decode(new Uint8Array(buffer, at)).split("\n"),
  };
}

function fromBase64(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}
