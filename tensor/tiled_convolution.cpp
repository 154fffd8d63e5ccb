#include "tensor/tiled_convolution.h"

#include <algorithm>
#include <vector>

#include "tensor/pieces.h"
#include "tensor/tensor.h"

namespace tapegrad::kernels::tiled {
namespace {

// Images with a border of zeros around every plane, so that every window lies inside, and what is
// under the windows' places (u, v) of a row lies as close together as the windows do.
struct Frame {
  Index channels, height, width;
  Index border_y, border_x;
  Index window_height, window_width, stride;
  Index rows, cols;

  explicit Frame(const Windows& w)
      : channels(w.channels),
        height(w.height),
        width(w.width),
        border_y(w.padding),
        border_x(w.padding),
        window_height(w.window_height),
        window_width(w.window_width),
        stride(w.stride),
        rows(w.rows()),
        cols(w.cols()) {}

  Index places() const { return rows * cols; }
  Index window_size() const { return channels * window_height * window_width; }
  Index image_size() const { return channels * height * width; }
  Index bordered_width() const { return width + 2 * border_x; }
  Index bordered_plane() const { return (height + 2 * border_y) * bordered_width(); }
};

// A buffer that is kept for the next call on this thread, aligned as tensors are: a store across
// the boundary of two cache lines costs two.
class Buffer {
 public:
  float* of_size(Index n) {
    if (numbers_.size() < n) numbers_ = Tensor<float>({n});
    return numbers_.data();
  }

 private:
  Tensor<float> numbers_;
};

struct Workspace {
  Buffer bordered, columns, tile, turned_filters, rows_of_dy;
  std::vector<WindowRun> runs;
};

Workspace& workspace() {
  thread_local Workspace own;
  return own;
}

// A group of images is worked on together, so that its places fill several tiles even when the
// images are small.
constexpr Index places_per_group = 1024;

Index group_size(const Frame& f, Index images) {
  return std::clamp<Index>(places_per_group / f.places(), 1, images);
}

// The group, at most so large, that leaves least of its last tile empty.
Index group_that_fills_tiles(const Frame& f, Index images, Index width) {
  const auto tiles = [&](Index group) { return (group * f.places() + width - 1) / width; };
  Index best = group_size(f, images);
  for (Index group = best - 1; group > 0; --group) {
    if (group * tiles(best) > best * tiles(group)) best = group;  // more places to a tile
  }
  return best;
}

// Gives the channels [first, first + count) of some images their border; returns them as
// [images, count, bordered plane].
const float* bordered_images(const Frame& f, const float* x, Index images, Index first, Index count,
                             Buffer& buffer) {
  const Index size = images * count * f.bordered_plane();
  float* const start = buffer.of_size(size);
  std::fill_n(start, size, 0.0F);
  float* to = start + f.border_y * f.bordered_width() + f.border_x;
  for (Index n = 0; n < images; ++n) {
    const float* from = x + n * f.image_size() + first * f.height * f.width;
    for (Index c = 0; c < count; ++c, to += f.bordered_plane()) {
      for (Index i = 0; i < f.height; ++i, from += f.width) {
        std::copy_n(from, f.width, to + i * f.bordered_width());
      }
    }
  }
  return start;
}

// The places [first, last) of a group of images with so many channels, in runs.
void find_runs(const Frame& f, Index channels, Index first, Index last,
               std::vector<WindowRun>& runs) {
  runs.clear();
  for (Index at = first; at < last;) {
    const Index image = at / f.places();
    const Index row = at % f.places() / f.cols;
    const Index col = at % f.cols;
    const Index length = std::min(f.cols - col, last - at);
    const Index from =
        image * channels * f.bordered_plane() + (row * f.bordered_width() + col) * f.stride;
    runs.push_back({from, at - first, length});
    at += length;
  }
}

// Which pixels the windows read, from the given bordered channel on.
WindowPixels window_pixels(const Frame& f, const float* bordered, Index channels,
                           Index row_length) {
  return {.pixels = bordered,
          .channels = channels,
          .plane = f.bordered_plane(),
          .row = f.bordered_width(),
          .window_height = f.window_height,
          .window_width = f.window_width,
          .stride = f.stride,
          .row_length = row_length};
}

// Calls f(image, first place in it, first column, how many) for the parts of [first, last) that lie
// in one image each.
template <class F>
void for_each_image(Index places, Index first, Index last, F f) {
  for (Index at = first; at < last;) {
    const Index length = std::min(places - at % places, last - at);
    f(at / places, at % places, at - first, length);
    at += length;
  }
}

// The columns of so many numbers of a window stay in the first cache, for one tile.
constexpr Index column_rows = 64;

// Convolves images with a matrix of filters [filters, window_size] into `out`; a null `b` stands
// for zeros.
void convolve_group(const ProductLoops& loops, const Frame& f, const float* x, Index images,
                    const float* w, Index filters, const float* b, float* out, bool fresh) {
  Workspace& work = workspace();
  const Index width = loops.tile_columns;
  const Index size = f.window_height * f.window_width;
  const Index step = std::max<Index>(column_rows / size, 1);  // channels
  const Index end = images * f.places();
  const float* bordered = bordered_images(f, x, images, 0, f.channels, work.bordered);
  float* columns = work.columns.of_size(step * size * width);
  float* tile = work.tile.of_size(filters * width);
  for (Index first = 0; first < end; first += width) {
    const Index last = std::min(first + width, end);
    find_runs(f, f.channels, first, last, work.runs);
    for (Index c = 0; c < f.channels; c += step) {
      const Index count = std::min(step, f.channels - c);
      loops.pack_windows(window_pixels(f, bordered + c * f.bordered_plane(), count, width),
                         work.runs.data(), std::ssize(work.runs), columns);
      loops.packed_updates({.m = filters,
                            .n = last - first,
                            .k = count * size,
                            .a = w + c * size,
                            .a_row = f.window_size(),
                            .a_column = 1,
                            .b = columns,
                            .b_row = width,
                            .out = tile,
                            .out_row = width,
                            .fresh = c == 0});
    }
    for_each_image(f.places(), first, last,
                   [&](Index image, Index place, Index column, Index length) {
                     for (Index i = 0; i < filters; ++i) {
                       const float* from = tile + i * width + column;
                       float* to = out + (image * filters + i) * f.places() + place;
                       const float start = b == nullptr ? 0.0F : b[i];
                       if (fresh) {
                         for (Index j = 0; j < length; ++j) to[j] = from[j] + start;
                       } else {
                         for (Index j = 0; j < length; ++j) to[j] += from[j];
                       }
                     }
                   });
  }
}

void convolve_groups(const ProductLoops& loops, const Frame& f, Index images, const float* x,
                     const float* w, Index filters, const float* b, float* out, bool fresh) {
  for_each_piece(images, group_that_fills_tiles(f, images, loops.tile_columns),
                 [&](Index first, Index last) {
                   convolve_group(loops, f, x + first * f.image_size(), last - first, w, filters, b,
                                  out + first * filters * f.places(), fresh);
                 });
}

}  // namespace

void convolve(const ProductLoops& loops, const Convolution& conv, const float* x, const float* w,
              const float* b, float* y) {
  convolve_groups(loops, Frame(conv.windows), conv.images, x, w, conv.filters, b, y, true);
}

bool has_x_vjp(const Windows& w) {
  return w.stride == 1 && w.padding < w.window_height && w.padding < w.window_width;
}

// dx is a convolution of dy, bordered so that every pixel has a window around it, with the filters
// turned by half a circle: wt[c, f, u, v] = w[f, c, kh - 1 - u, kw - 1 - v].
void x_vjp(const ProductLoops& loops, const Convolution& conv, const float* dy, const float* w,
           float* dx, bool fresh) {
  const Windows& windows = conv.windows;
  Frame f(windows);
  std::swap(f.height, f.rows);
  std::swap(f.width, f.cols);
  f.channels = conv.filters;
  f.border_y = windows.window_height - 1 - windows.padding;
  f.border_x = windows.window_width - 1 - windows.padding;
  const Index size = windows.window_height * windows.window_width;
  float* turned = workspace().turned_filters.of_size(windows.channels * f.window_size());
  for (Index c = 0; c < windows.channels; ++c) {
    for (Index i = 0; i < conv.filters; ++i) {
      const float* from = w + (i * windows.channels + c) * size;
      std::reverse_copy(from, from + size, turned + (c * conv.filters + i) * size);
    }
  }
  convolve_groups(loops, f, conv.images, dy, turned, windows.channels, nullptr, dx, fresh);
}

namespace {

// dw for the channels [first, last) of one group of images, along the places [begin, end): the dot
// products of rows of dy with rows of columns.
struct WeightGradient {
  const ProductLoops& loops;
  const Frame& f;
  Index filters;
  const float* dy;
  float* dw;

  // Turning rows of columns pays at AVX2, and at AVX-512 from so many filters on.
  bool turned() const { return loops.lanes == 8 || filters >= 64; }

  // So many channels' windows become columns together, whichever thread has them. For a group's
  // places these stay in the second cache, and for 3 x 3 they fill three of narrow's blocks, where
  // it turns them.
  Index channels_together() const {
    constexpr Index most = 24;
    const Index columns = 9 * (turned() ? loops.lanes : 8);
    return std::clamp<Index>(columns / (f.window_height * f.window_width), 1, most);
  }

  // dy [filters, n] for these places of the group that begins with image `group`, and how far its
  // rows lie apart.
  std::pair<const float*, Index> rows_of_dy(Index group, Index begin, Index end) const {
    const Index places = f.places();
    const float* from = dy + group * filters * places;
    if (begin / places == (end - 1) / places) {
      return {from + begin / places * filters * places + begin % places, places};
    }
    float* rows = workspace().rows_of_dy.of_size(filters * (end - begin));
    for_each_image(places, begin, end, [&](Index image, Index place, Index column, Index length) {
      for (Index i = 0; i < filters; ++i) {
        std::copy_n(from + (image * filters + i) * places + place, length,
                    rows + i * (end - begin) + column);
      }
    });
    return {rows, end - begin};
  }

  void add(Index group, Index begin, Index end, const float* bordered, Index channels, Index first,
           Index last, bool fresh) const {
    Workspace& work = workspace();
    const Index size = f.window_height * f.window_width;
    const Index n = end - begin;
    const Index stride = n / 16 * 16 + 16;  // rows a power of two apart would share cache lines
    const Index step = channels_together();
    const auto [rows, row_length] = rows_of_dy(group, begin, end);
    find_runs(f, channels, begin, end, work.runs);
    for (Index c = first; c < last; c += step) {
      const Index count = std::min(step, last - c);
      float* columns = work.columns.of_size(count * size * stride);
      loops.pack_windows(
          window_pixels(f, bordered + (c - first) * f.bordered_plane(), count, stride),
          work.runs.data(), std::ssize(work.runs), columns);
      loops.narrow({.m = filters,
                    .n = count * size,
                    .k = n,
                    .a = rows,
                    .a_row = row_length,
                    .a_column = 1,
                    .b = columns,
                    .b_row = stride,
                    .out = dw + c * size,
                    .out_row = f.window_size(),
                    .fresh = fresh,
                    .turned = turned()},
                   0);
    }
  }
};

constexpr Index channels_of_a_thread = 8;

}  // namespace

void w_vjp(const ProductLoops& loops, const Convolution& conv, const float* dy, const float* x,
           float* dw, bool fresh) {
  const Frame f(conv.windows);
  const WeightGradient gradient{loops, f, conv.filters, dy, dw};
  const Index images = conv.images;
  const Index group = group_size(f, images);
  // An element's sum goes through the images in order, whichever channels share a thread.
  const bool alone = working_threads().threads() == 1;
  const Index together = gradient.channels_together();
  const Index step = alone ? std::max<Index>(f.channels, 1)
                           : (channels_of_a_thread + together - 1) / together * together;
  for_each_piece(f.channels, step, [&](Index first, Index last) {
    for (Index n = 0; n < images; n += group) {
      const Index count = std::min(group, images - n);
      const float* bordered = bordered_images(f, x + n * f.image_size(), count, first, last - first,
                                              workspace().bordered);
      const Index places = count * f.places();
      for (Index begin = 0; begin < places; begin += places_per_group) {
        const Index end = std::min(begin + places_per_group, places);
        gradient.add(n, begin, end, bordered, last - first, first, last,
                     fresh && n == 0 && begin == 0);
      }
    }
  });
}

}  // namespace tapegrad::kernels::tiled
