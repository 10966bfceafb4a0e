"""Writes the .npz files that the tests read; python3-numpy 1.24 wrote the ones kept here. Values are simple functions of the index."""
import numpy as np

mu = np.arange(6, dtype=np.float64) / 7
sigma = np.add.outer(np.arange(6), np.arange(6)).astype(np.float64) / 3
np.savez("numpy-adm.npz", arr_0=(np.arange(5 * 4 * 3 * 3) % 256).astype(np.uint8).reshape(5, 4, 3, 3),
         mu=mu, sigma=sigma, mu_s=mu.astype(np.float32), sigma_s=sigma.astype(np.float32))
np.savez_compressed("numpy-compressed.npz", mu=mu.astype(np.float32), sigma=np.asfortranarray(np.arange(6.0).reshape(2, 3)))
np.savez("numpy-odd.npz", big=mu.astype(">f8"), objects=np.array([{}], dtype=object), scalar=np.float64(2.5),
         complex=np.array([1j]), empty=np.zeros((0, 3)))
