using JepaT.Model;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace JepaT.Tests;

/// <summary>Runs a training step with hooks in the network and collects what the golden case calls stages, at all tokens.</summary>
internal static class StageProbe
{
    /// <param name="model">The model; also stands for the EMA model, equal to it before the first step.</param>
    /// <param name="draws">Draws at the masked tokens.</param>
    /// <param name="all">The same draws at all tokens: the golden rows cover the visible ones, too.</param>
    public static Dictionary<string, Tensor> Run(JepaModel model, Tensor images, Tensor text, LossDraws draws, LossDraws all)
    {
        var config = model.Config;
        var b = images.shape[0];
        Dictionary<string, Tensor> stages = [];
        var modules = model.named_modules().ToDictionary(m => m.name, m => m.module);
        using var noGrad = no_grad();

        var everywhere = arange(config.Tokens).expand(b, -1);
        var masked = Masking.First(draws.Orders, draws.MaskedCount);
        var visible = Masking.Rest(draws.Orders, draws.MaskedCount);
        var tokens = ImageTokens.Patchify(images, config.PatchSize);
        stages["tokens"] = tokens;
        stages["unpatchified"] = ImageTokens.Unpatchify(tokens, config.PatchSize);
        stages["mask"] = zeros(b, config.Tokens).scatter(1, masked, ones_like(masked, dtype: float32));
        stages["ema_features"] = model.TargetFeatures(images, text, everywhere);
        stages["text_projection"] = model.ProjectText(text).Pooled;
        stages["text_embedding"] = model.ProjectText(text, draws.Drop).Pooled;

        var removers = new List<Action>();
        Hook("encoder.z_proj_ln", "encoder_in");
        Hook("encoder.encoder_norm", "encoder_out");
        Hook("predictor.decoder_embed", "decoder_embed");
        Hook("predictor.decoder_norm", "decoder_out");
        Hook("diffloss.time_embed", "head_time_embed");
        // The concatenation that enters fuse_proj starts with the output of the cross-attention.
        removers.Add(((Module<Tensor, Tensor>)modules["fusion.fuse_proj"]).register_forward_hook((_, x, y) =>
        {
            stages["z_cross"] = x.narrow(-1, 0, config.Dim).clone().DetachFromDisposeScope();
            return y;
        }).remove);
        removers.Add(model.Head.Net.register_forward_hook((_, _, _, y) =>
        {
            stages["head_output"] = y.flatten(0, 1).clone().DetachFromDisposeScope();
            return y;
        }).remove);
        for (var i = 0; i < config.EncoderDepth; i++) HookBlock($"encoder.encoder_blocks.{i}", $"encoder_block{i}");
        for (var i = 0; i < config.PredictorDepth; i++) HookBlock($"predictor.decoder_blocks.{i}", $"decoder_block{i}");
        var z = model.Predict(tokens, visible, everywhere, stages["text_embedding"]);
        var rows = model.Head.RowLosses(tokens.flatten(0, 1), z.flatten(0, 1), all.Time, all.Noise);
        foreach (var remove in removers) remove();

        stages["z"] = z;
        stages["row_losses"] = rows.flatten();
        stages["head_time_embed"] = stages["head_time_embed"].flatten(0, 1);
        stages["jepa_token_losses"] = model.JepaHead.TokenLosses(z, stages["ema_features"]);
        var losses = model.Loss(images, text, draws, model.TargetFeatures(images, text, masked));
        stages["diff_loss"] = losses.Flow;
        stages["jepa_loss"] = losses.Jepa;
        stages["total_loss"] = losses.Flow + losses.Jepa;
        return stages;

        void Hook(string module, string stage) => removers.Add(((Module<Tensor, Tensor>)modules[module]).register_forward_hook((_, _, y) =>
        {
            stages[stage] = y.clone().DetachFromDisposeScope();
            return y;
        }).remove);

        // A last block computes the wanted places only; the golden stage has the buffer tokens, too: ask for all.
        void HookBlock(string module, string stage) => removers.Add(((Block)modules[module]).register_forward_hook((block, x, wanted, y) =>
        {
            stages[stage] = (wanted is null ? y.clone() : ((Block)block).forward(x, null)).DetachFromDisposeScope();
            return y;
        }).remove);
    }
}
